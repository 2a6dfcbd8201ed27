// `scheduler.tenants`: each tenant's own limits and share, and what it has.
import { type Duration, shown } from "../core/duration.ts";
import type { TenantStore } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import {
  effectiveGuardrails,
  type Guardrails,
  resolveTenantGuardrails,
  type TenantGuardrailOptions,
  type TenantGuardrails,
} from "../core/guardrails.ts";
import { refuseUnknown } from "../core/options.ts";
import { checkPage, type Page, type PageRequest } from "../core/page.ts";
import { checkId } from "../core/tenant.ts";
import { plainTenant, type TenantChange, type TenantSummary, weightMax } from "../core/tenant-record.ts";
import { type ClientHost, checkName } from "./client-host.ts";
import { checkCount, checkRate } from "./limit-options.ts";

/** A tenant's own limits and share; what is absent stays, `null` is back to the default. */
export interface TenantLimits {
  /** Its share of a queue among the tenants with due jobs, 1 to 1,000; 1 by default. */
  readonly weight?: number | null;
  /** Its jobs active at once, over all queues and workers. */
  readonly concurrency?: number | null;
  /** At most `count` starts in any span of `per`, over all queues and workers. */
  readonly rate?: { readonly count: number; readonly per: Duration } | null;
  /** One by one over the scheduler's `guardrails`; `"unlimited"` lifts one of these for this tenant. */
  readonly guardrails?: TenantGuardrailOptions;
}

/** A tenant as users see it. */
export interface TenantView {
  readonly id: string;
  readonly weight: number;
  readonly concurrency?: number;
  readonly rate?: { readonly count: number; readonly periodMs: number };
  /** Its own limits only; `"unlimited"` where it has none though others do. */
  readonly ownGuardrails: TenantGuardrails;
  /** The limits that hold for it: its own over those of this scheduler. */
  readonly guardrails: Guardrails;
  /** Schedules that tick: enabled, and not at their end. */
  readonly activeSchedules: number;
  /** Jobs that wait, due or not. */
  readonly pendingJobs: number;
  readonly activeJobs: number;
  /** When its rate gives again; absent while it gives. */
  readonly regainAt?: Date;
}

/** Which tenants a listing shows. */
export interface TenantQuery extends PageRequest {
  readonly idPrefix?: string;
}

export class TenantsClient {
  readonly #host: ClientHost;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /**
   * Sets or lifts a tenant's own limits, for every process from its next call on. What exists stays, however much there
   * is of it: a tighter limit refuses only what would be new. @throws InvalidInputError
   */
  async limit(id: string, limits: TenantLimits, options: { readonly actor?: string } = {}): Promise<TenantView> {
    const change = checkLimits(checkId(id, "id"), limits);
    refuseUnknown(options, ["actor"], "");
    const { tenants } = await this.#host.engine();
    await tenants.put([change], options.actor);
    return await readTenant(this.#host, tenants, id);
  }

  /** A tenant's limits and what it has; one that nobody has named yet has the default limits, and nothing. */
  async get(id: string): Promise<TenantView> {
    const { tenants } = await this.#host.engine();
    return await readTenant(this.#host, tenants, checkId(id, "id"));
  }

  /** Tenants with limits, schedules or jobs of any time, by id. */
  async list(query: TenantQuery = {}): Promise<Page<TenantView>> {
    refuseUnknown(query, ["idPrefix", "limit", "cursor"], "");
    const idPrefix = checkName(query.idPrefix, "idPrefix");
    const { tenants } = await this.#host.engine();
    const page = await tenants.list({ idPrefix }, checkPage(query));
    return { ...page, items: page.items.map((tenant) => viewTenant(tenant, this.#host.guardrails)) };
  }
}

/** @internal What holds for one tenant. */
export async function readTenant(host: ClientHost, tenants: TenantStore, id: string): Promise<TenantView> {
  const { items } = await tenants.list({ id }, { limit: 1 });
  const nothing = { activeSchedules: 0, pendingJobs: 0, activeJobs: 0 };
  return viewTenant(items[0] ?? { ...plainTenant(id), ...nothing }, host.guardrails);
}

function viewTenant({ guardrails, regainAt, ...rest }: TenantSummary, given: Guardrails | undefined): TenantView {
  const { concurrency, rate, ...counts } = rest;
  return {
    ...counts,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate }),
    ownGuardrails: guardrails ?? {},
    guardrails: effectiveGuardrails(guardrails, given),
    ...(regainAt === undefined ? {} : { regainAt: new Date(regainAt) }),
  };
}

function checkLimits(id: string, limits: TenantLimits): TenantChange {
  refuseUnknown(limits, ["weight", "concurrency", "rate", "guardrails"], "limits", ["weight", "concurrency", "rate"]);
  const { weight, concurrency, rate, guardrails } = limits;
  return {
    id,
    weight: weight === undefined || weight === null ? weight : checkWeight(weight, "limits.weight"),
    concurrency:
      concurrency === undefined || concurrency === null ? concurrency : checkCount(concurrency, "limits.concurrency"),
    rate: rate === undefined || rate === null ? rate : checkRate(rate, "limits.rate"),
    guardrails: guardrails === undefined ? undefined : resolveTenantGuardrails(guardrails, "limits.guardrails"),
  };
}

function checkWeight(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= weightMax) return value;
  throw new InvalidInputError(`${field} must be a whole number from 1 to ${weightMax}, got ${shown(value)}`, { field });
}
