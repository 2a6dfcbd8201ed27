// What a step may ask its ledger for: names of rows, gathered so that one statement of each kind loads them all.
import type { JobId } from "../id.ts";
import type { KeyName } from "../ledger.ts";
import type { ScheduleRef } from "../schedule.ts";
import type { TenantId } from "../tenant.ts";

/** A key's two slots, as text. */
export function slotText({ tenant, queue, key }: KeyName): string {
  return JSON.stringify([tenant, queue, key]);
}

/** A pair of names as text, to look it up by. */
export function pairText(first: string, second: string): string {
  return JSON.stringify([first, second]);
}

/** Names of rows that are to be loaded. */
export class Names {
  /** Jobs, live ones locked; with each its key's slots, its schedule and that schedule's unfinished jobs. */
  readonly jobs = new Set<JobId>();
  /** Jobs by the id of the insert that replaced them. */
  readonly replacedBy = new Set<JobId>();
  /** Jobs that are to be inserted and stand nowhere, as far as one knows: one look finds those that do, which are loaded. */
  readonly fresh = new Set<JobId>();
  readonly slots = new Map<string, KeyName>();
  /** Incarnations of schedules whose unfinished jobs are asked for. */
  readonly incarnations = new Set<string>();
  /** Incarnations of which only some unfinished jobs are wanted: enough to tell whether a step leaves any. */
  readonly someOf = new Set<string>();
  readonly schedules = new Map<string, ScheduleRef>();
  /** Tenants whose ticking schedules are counted, under the lock of that count, with how many more there may be after. */
  readonly activeOf = new Map<TenantId, number>();
  /** Tenants whose unfinished jobs are counted, likewise. */
  readonly unfinishedOf = new Map<TenantId, number>();
  /** Jobs of each tenant that are about to be inserted: so many are reserved where a limit counts them. */
  readonly inserting = new Map<TenantId, number>();
  /** Tenants whose records are read. */
  readonly tenants = new Set<TenantId>();
  readonly usedKeys = new Map<string, readonly [tenant: TenantId, key: string]>();
  /** Jobs of which the audit log is asked whether their tick has fired. */
  readonly fired = new Set<JobId>();
  /** Queues of which is asked whether their claims are limited. */
  readonly queues = new Set<string>();

  slot(name: KeyName): void {
    if (name.key !== undefined) this.slots.set(slotText(name), name);
  }

  schedule({ tenant, id }: ScheduleRef): void {
    this.schedules.set(pairText(tenant, id), { tenant, id });
  }

  usedKey(tenant: TenantId, key: string): void {
    this.usedKeys.set(pairText(tenant, key), [tenant, key]);
  }
}

/** Thrown by a workspace that is asked for a row it was not given: the step runs anew once it has been loaded. */
export class Missing extends Error {
  /** Adds the name. */
  readonly ask: (names: Names) => unknown;

  constructor(ask: (names: Names) => unknown) {
    super("a row was not loaded");
    this.ask = ask;
  }
}
