// Queues: pause and limits, the rate window, and the fair share among a queue's tenant lanes.
import type { Millis } from "./clock.ts";
import type { TenantId } from "./tenant.ts";

/** The name under which a pause of the whole deployment is stored. */
export const everyQueue = "*";

/** At most `count` claims in any span of `periodMs`. */
export interface RateLimit {
  readonly count: number;
  readonly periodMs: number;
}

/** What is stored of a queue; queues without a record are unpaused and unlimited. */
export interface Queue {
  readonly name: string;
  readonly paused: boolean;
  /** Jobs active at once across all replicas. */
  readonly concurrency?: number | undefined;
  readonly rate?: RateLimit | undefined;
}

/** A change to a queue's record; what is absent stays, `null` lifts a limit. */
export interface QueueChange {
  readonly name: string;
  readonly paused?: boolean | undefined;
  readonly concurrency?: number | null | undefined;
  readonly rate?: RateLimit | null | undefined;
}

/** Counts of one lane: a tenant's jobs in one queue. */
export interface LaneCounts {
  readonly tenant: TenantId;
  readonly queue: string;
  /** Due and claimable. */
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  /** Retained jobs, not totals. */
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Since the beginning, whatever retention removed. */
  readonly totals: { readonly completed: number; readonly failed: number; readonly cancelled: number };
}

/** Applies a change to a queue's record. */
export function changeQueue(queue: Queue | undefined, change: QueueChange): Queue {
  const before = queue ?? { name: change.name, paused: false };
  return {
    name: change.name,
    paused: change.paused ?? before.paused,
    concurrency: change.concurrency === null ? undefined : (change.concurrency ?? before.concurrency),
    rate: change.rate === null ? undefined : (change.rate ?? before.rate),
  };
}

/** Whether claims on the queue must be counted one by one, which forbids prefetch. */
export function isLimited(queue: Queue | undefined): boolean {
  return queue !== undefined && (queue.concurrency !== undefined || queue.rate !== undefined);
}

/**
 * The claims of the last period, counted in slices: [start of the slice, claims in it], oldest first. A slice counts
 * whole until it has passed entirely, so no span of one period ever holds more than the limit.
 */
export type RateWindow = readonly (readonly [startAt: Millis, claims: number])[];

/** Slices a period is counted in: the limit is regained in steps of a tenth of the period. */
const slicesPerPeriod = 10;

/** How long a slice is: so much later than a whole period a claim may be regained. */
export function rateSliceMs({ periodMs }: RateLimit): number {
  return Math.max(1, Math.ceil(periodMs / slicesPerPeriod));
}

/** How many claims the rate still allows, the window without what has passed, and when the next claim is regained. */
export function rateAllowance(
  rate: RateLimit,
  window: RateWindow,
  now: Millis,
): { readonly allowed: number; readonly window: RateWindow; readonly regainAt?: Millis } {
  const sliceMs = rateSliceMs(rate);
  const live = window.filter(([startAt]) => startAt + sliceMs + rate.periodMs > now);
  const used = live.reduce((sum, [, claims]) => sum + claims, 0);
  const regained = used < rate.count ? undefined : firstRegained(live, used - rate.count);
  return {
    allowed: Math.max(0, rate.count - used),
    window: live,
    ...(regained === undefined ? {} : { regainAt: regained + sliceMs + rate.periodMs }),
  };
}

/** The slice with whose end fewer claims count than are allowed: not always the oldest, as a rate may be lowered. */
function firstRegained(live: RateWindow, beyond: number): Millis | undefined {
  let left = beyond;
  for (const [startAt, claims] of live) {
    left -= claims;
    if (left < 0) return startAt;
  }
  return undefined;
}

/** The window after `claims` more at `now`. */
export function spendRate(rate: RateLimit, window: RateWindow, claims: number, now: Millis): RateWindow {
  const sliceMs = rateSliceMs(rate);
  const startAt = Math.floor(now / sliceMs) * sliceMs;
  const last = window.at(-1);
  if (last !== undefined && last[0] >= startAt) return [...window.slice(0, -1), [last[0], last[1] + claims]];
  return [...window, [startAt, claims]];
}

/** A lane with ready jobs. `pass` is its place in stride scheduling: the lane with the lowest is served next. */
export interface LaneShare {
  readonly tenant: TenantId;
  readonly ready: number;
  readonly pass: number;
  readonly weight: number;
}

/** What each lane may take, in the order of service, with its new pass. */
export interface LaneTake {
  readonly tenant: TenantId;
  readonly take: number;
  readonly pass: number;
}

/**
 * Shares `limit` claims among lanes by stride scheduling (Waldspurger and Weihl, 1995): each job a lane is given
 * moves its pass by 1/weight, and the lowest pass is served next; a lane that was empty re-enters at the lowest
 * pass of the others (or its own, if that is higher), so it neither starves nor saves up.
 *
 * The bound (J12): among n lanes with due jobs of total weight W, a lane of weight w is given a job at least once in
 * every floor(W / w) + n - 1 that the queue gives out. Let m be the lowest pass. It never falls, as nobody enters below
 * it, and a lane is served only at m: so every pass lies in [m, m + 1/weight]. A lane at pass p <= m + 1/w waits while
 * another, of weight v and pass q >= m, is at or below p: that one is served at q, q + 1/v, ... up to p, which is
 * floor((p - q) v) + 1 <= floor(v / w) + 1 times. Over the n - 1 others that is at most W / w - 1 + n - 1 jobs. Lanes that
 * fill or re-enter meanwhile are among the n; lanes held back by a limit of their tenant are not, and re-enter like those
 * that fill. After a change of weight the bound holds from the lane's next job on.
 */
export function shareLanes(lanes: readonly LaneShare[], limit: number): readonly LaneTake[] {
  const only = lanes[0];
  if (lanes.length === 1 && only !== undefined) {
    const take = Math.min(limit, only.ready);
    return [{ tenant: only.tenant, take, pass: only.pass + take / only.weight }];
  }
  const open = lanes.filter((lane) => lane.ready > 0).map((lane) => ({ ...lane, take: 0 }));
  const served = new Set<(typeof open)[number]>();
  for (let left = limit; left > 0; left--) {
    let next: (typeof open)[number] | undefined;
    for (const lane of open) {
      if (lane.take < lane.ready && (next === undefined || lane.pass < next.pass)) next = lane;
    }
    if (next === undefined) break;
    next.take++;
    next.pass += 1 / next.weight;
    served.add(next);
  }
  return [...served].map(({ tenant, take, pass }) => ({ tenant, take, pass }));
}

/** A lane whose tenant's claims may be limited: its jobs are given only to be started at once, never ahead (J12). */
export interface LimitedShare extends LaneShare {
  readonly limited: boolean;
}

/** `starting`: so many of those that are taken start at once, the others may be fetched ahead. */
export interface LimitedTake extends LaneTake {
  readonly starting: number;
}

/** Shares claims as `shareLanes` does: those that start among all lanes, those beyond among the unlimited ones. */
export function shareLimited(lanes: readonly LimitedShare[], starts: number, limit: number): readonly LimitedTake[] {
  const starting = shareLanes(lanes, Math.min(starts, limit));
  const takes = new Map(starting.map((one) => [one.tenant, { ...one, starting: one.take }]));
  const given = starting.reduce((sum, { take }) => sum + take, 0);
  const left = lanes.flatMap(({ limited, ...lane }) => {
    const { take = 0, pass = lane.pass } = takes.get(lane.tenant) ?? {};
    return limited ? [] : [{ ...lane, ready: lane.ready - take, pass }];
  });
  for (const { tenant, take, pass } of shareLanes(left, limit - given)) {
    const before = takes.get(tenant);
    takes.set(tenant, { tenant, take: (before?.take ?? 0) + take, pass, starting: before?.starting ?? 0 });
  }
  return [...takes.values()].filter(({ take }) => take > 0);
}

/** What a lane was to be given, and what it got: a claim ends early where inputs are large. */
export interface LaneTaken {
  readonly share: LaneShare;
  readonly planned: LimitedTake;
  readonly taken: number;
}

/** A lane's place after a claim: it pays for what it got. */
export function passAfter({ share, planned, taken }: LaneTaken): number {
  return taken === planned.take ? planned.pass : share.pass + taken / share.weight;
}

/**
 * Where lanes of limited tenants stand at least once others were given jobs ahead: at the pass of the last of these.
 * They were held back meanwhile, and save nothing up. Undefined when none was given ahead.
 */
export function passBeside(lanes: readonly LaneTaken[]): number | undefined {
  const ahead = lanes.filter(({ planned, taken }) => taken > planned.starting);
  return ahead.length === 0 ? undefined : Math.max(...ahead.map((one) => passAfter(one) - 1 / one.share.weight));
}
