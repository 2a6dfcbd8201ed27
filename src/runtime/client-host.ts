// What the clients of one scheduler share, and the tenant that a call is about.

import { shown } from "../core/duration.ts";
import type { Engine, Insert, InsertAnswer } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { Guardrails } from "../core/guardrails.ts";
import type { Entropy } from "../core/id.ts";
import type { Task } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import type { Batcher } from "./batcher.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";

/** What the clients of one scheduler share. */
export interface ClientHost {
  /** The engine, opened by the first call. */
  engine(): Promise<Pick<Engine<never>, "jobs" | "schedules" | "queues" | "now" | "events">>;
  /** Collects concurrent inserts; absent inside a caller's transaction. */
  readonly inserts: Batcher<Insert, InsertAnswer> | undefined;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly entropy: () => Entropy;
  /** The store's now, as estimated. */
  now(): number;
  /** The task of that name, when this process has its handler. */
  knownTask(name: string): Task | undefined;
  readonly guardrails: Guardrails | undefined;
  readonly payloadBytesMax: number;
  /** Set on a tenant handle. */
  readonly tenant: string | undefined;
}

/** The tenant a call is about: a handle's own, or the one asked for. @throws InvalidInputError for another's */
export function boundTenant(bound: string | undefined, asked: string | undefined): string | undefined {
  if (asked === undefined) return bound;
  const checked = checkId(asked, "tenant");
  if (bound !== undefined && bound !== checked) {
    throw new InvalidInputError(`tenant must be ${bound}: this handle is bound to it, got ${shown(asked)}`, {
      field: "tenant",
    });
  }
  return checked;
}
