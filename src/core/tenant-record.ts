// What a store keeps of a tenant: its own limits, its share, and the pure decision what a change does to them.
import { instantMax, type Millis } from "./clock.ts";
import type { TenantGuardrails } from "./guardrails.ts";
import { sameJson } from "./payload.ts";
import { type RateLimit, type RateWindow, rateAllowance, spendRate } from "./queue.ts";
import type { TenantId } from "./tenant.ts";

/** A tenant without a weight of its own has this share. */
export const plainWeight = 1;

/** Largest weight; the smallest is 1. */
export const weightMax = 1_000;

/** What is stored of a tenant; one without a record has no limits of its own and weight 1. */
export interface Tenant {
  readonly id: TenantId;
  /** Its share of a queue among the lanes with due jobs, 1 to 1,000. */
  readonly weight: number;
  /** Its jobs active at once, over all queues and workers. */
  readonly concurrency?: number | undefined;
  /** Its starts in any span, over all queues and workers. */
  readonly rate?: RateLimit | undefined;
  /** Its own limits, one by one over those that the scheduler gives every tenant; absent when it has none. */
  readonly guardrails?: TenantGuardrails | undefined;
}

/** A change to a tenant's record; what is absent stays, `null` is back to the default. */
export interface TenantChange {
  readonly id: TenantId;
  readonly weight?: number | null | undefined;
  readonly concurrency?: number | null | undefined;
  readonly rate?: RateLimit | null | undefined;
  readonly guardrails?: { readonly [Name in keyof TenantGuardrails]?: TenantGuardrails[Name] | null } | undefined;
}

/** A tenant as listings show it: its record, or what stands for one, and what it has. */
export interface TenantSummary extends Tenant {
  /** Schedules that tick: enabled, and not at their end. */
  readonly activeSchedules: number;
  /** Jobs that wait, due or not. */
  readonly pendingJobs: number;
  readonly activeJobs: number;
  /** When its rate gives again; absent while it gives. */
  readonly regainAt?: Millis | undefined;
}

/** Which tenants a listing shows. */
export interface TenantFilter {
  /** That one only. */
  readonly id?: TenantId | undefined;
  readonly idPrefix?: string | undefined;
}

/** What a tenant without a record is. */
export function plainTenant(id: TenantId): Tenant {
  return { id, weight: plainWeight };
}

/** Applies a change to a tenant's record. */
export function changeTenant(tenant: Tenant | undefined, change: TenantChange): Tenant {
  const before = tenant ?? plainTenant(change.id);
  const { weight = before.weight, concurrency = before.concurrency, rate = before.rate } = change;
  const guardrails = Object.entries({ ...before.guardrails, ...given(change.guardrails ?? {}) })
    .filter(([, value]) => value !== null && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    id: change.id,
    weight: weight ?? plainWeight,
    ...(concurrency === null || concurrency === undefined ? {} : { concurrency }),
    ...(rate === null || rate === undefined ? {} : { rate: { count: rate.count, periodMs: rate.periodMs } }),
    ...(guardrails.length === 0 ? {} : { guardrails: Object.fromEntries(guardrails) }),
  };
}

/** A member that is undefined was not given, and stands over nothing. */
function given<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Whether two records say the same. */
export function sameTenant(a: Tenant, b: Tenant): boolean {
  return sameJson(JSON.stringify(a), JSON.stringify(b));
}

/** Whether its claims must be counted one by one, which forbids to prefetch its jobs (J12). */
export function limitsClaims(tenant: Tenant | undefined): boolean {
  return tenant !== undefined && (tenant.concurrency !== undefined || tenant.rate !== undefined);
}

/** What a tenant may be given at one moment. */
export interface TenantRoom {
  /** Jobs that it may be given now; Infinity for a tenant without limits. */
  readonly jobs: number;
  /** Leases of it that may be recovered now: they are active already, so only the rate counts them. */
  readonly recoveries: number;
  /** When its rate gives again; absent while it gives. */
  readonly regainAt?: Millis | undefined;
  /** The rate's window without what has passed. */
  readonly window: RateWindow;
}

/** J12: a tenant's claims keep to its concurrency and its rate. @param active its jobs that are active, in all queues */
export function tenantRoom(tenant: Tenant, window: RateWindow, active: number, now: Millis): TenantRoom {
  const { concurrency = Number.POSITIVE_INFINITY, rate } = tenant;
  const places = Math.max(0, concurrency - active);
  if (rate === undefined) return { jobs: places, recoveries: Number.POSITIVE_INFINITY, window: [] };
  const {
    allowed,
    regainAt = rate.count < 1 ? instantMax : undefined,
    window: live,
  } = rateAllowance(rate, window, now);
  const jobs = Math.min(places, allowed);
  return { jobs, recoveries: allowed, window: live, ...(regainAt === undefined ? {} : { regainAt }) };
}

/** What a tenant's rate has counted after so many claims more. */
export function windowAfterClaims(tenant: Tenant, window: RateWindow, claims: number, now: Millis): RateWindow {
  const { rate } = tenant;
  return rate === undefined ? [] : spendRate(rate, rateAllowance(rate, window, now).window, claims, now);
}
