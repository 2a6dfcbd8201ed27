// Sharing a queue's claims among its lanes: the next jobs of those whose tenants' limits allow it. Counters say what a
// lane may give; its rows, locked as they are taken, say what it gives.

import type { Millis } from "../../core/clock.ts";
import type { Job } from "../../core/job.ts";
import { type LimitedTake, shareLanes, shareLimited } from "../../core/queue.ts";
import { isDamaged } from "../../core/stored-job.ts";
import type { Session } from "./connections.ts";
import { isReady } from "./fresh-leases.ts";
import type { LaneName } from "./lanes.ts";
import { claimableLanes, moreLanes, type ReadyLane } from "./limited-lanes.ts";
import { type ReadyRow, readyColumns, readyJob } from "./rows.ts";
import type { TenantLimits } from "./tenant-limits.ts";

// A row that another transaction holds is left to it.
const readyStatement = `-- jobs.ready
SELECT given.* FROM json_to_recordset($1::json) AS wanted (ord integer, queue text, tenant text, take integer)
CROSS JOIN LATERAL (
  SELECT ${readyColumns}, tenant FROM punctual.jobs AS jobs
  WHERE jobs.queue = wanted.queue AND jobs.tenant = wanted.tenant AND ${isReady}
  ORDER BY jobs.priority, jobs.due_at, jobs.seq LIMIT wanted.take FOR UPDATE SKIP LOCKED
) AS given
ORDER BY wanted.ord, given.priority, given.due_at, given.seq`;

/** So often a plan is made anew as a lane has given less: after that what there is will do. */
const plansMax = 8;

export interface Picked {
  readonly seq: number;
  readonly job: Job;
  readonly damaged: boolean;
}

/** A lane that a claim takes from: its next jobs, and its part as it was planned. */
export interface LanePick {
  readonly lane: ReadyLane;
  readonly planned: LimitedTake;
  readonly picked: readonly Picked[];
}

/** What a queue gives to a claim. */
export interface Shared {
  readonly picks: readonly LanePick[];
  /** Every lane that was looked at. */
  readonly lanes: readonly ReadyLane[];
  /** Lanes that others have in hand: they gave less than they were to. */
  readonly short: readonly ReadyLane[];
}

/** What is to be shared. */
export interface Share {
  readonly queue: string;
  readonly starts: number;
  readonly limit: number;
  readonly now: Millis;
  /** The lanes with the lowest passes, where they are read already. */
  readonly lanes: readonly ReadyLane[];
  /** Absent where no tenant has limits. */
  readonly limits: TenantLimits | undefined;
}

/** The next jobs of a queue, shared among its lanes; those of limited tenants only as far as they start at once. */
export async function shareReady(session: Session, share: Share): Promise<Shared> {
  const caps = new Map<number, number>();
  const short = new Map<number, ReadyLane>();
  let lanes = await lanesOf(session, share, []);
  for (let plans = 1; ; plans++) {
    const planned = plan(lanes, caps, share);
    const picks = await pick(session, lanes, planned);
    const lacking = picks.filter(({ planned: { take }, picked }) => picked.length < take);
    for (const { lane, picked } of lacking) {
      caps.set(lane.lane, picked.length);
      short.set(lane.lane, lane);
    }
    if (lacking.length === 0 || plans === plansMax) {
      return { picks: picks.filter(({ picked }) => picked.length > 0), lanes, short: [...short.values()] };
    }
    const empty = [...short.values()].filter(({ lane }) => caps.get(lane) === 0);
    // Those that give nothing must not hide others.
    if (empty.length > 0) lanes = mergeLanes(lanes, await lanesOf(session, { ...share, lanes: [] }, empty));
  }
}

function mergeLanes(lanes: readonly ReadyLane[], more: readonly ReadyLane[]): ReadyLane[] {
  return [...new Map([...lanes, ...more].map((lane) => [lane.lane, lane])).values()];
}

/** The lanes that may be given something. */
async function lanesOf(session: Session, share: Share, out: readonly LaneName[]): Promise<readonly ReadyLane[]> {
  const { queue, starts, limit, now, lanes, limits } = share;
  if (limits === undefined) return lanes.length > 0 ? lanes : moreLanes(session, queue, limit + 1, out);
  const left = [...out];
  for (;;) {
    const found = await claimableLanes(session, queue, { starts: Math.max(0, starts), limit, now }, left);
    const limited = found.filter((lane) => lane.limited);
    await limits.load(limited.map(({ tenant }) => tenant));
    const moved = limited.filter(({ tenant }) => limits.admit(tenant));
    const gone = limited.filter(({ tenant }) => limits.isOut(tenant));
    if (moved.length + gone.length === 0) return found;
    await limits.flush();
    left.push(...gone);
  }
}

function plan(
  lanes: readonly ReadyLane[],
  caps: ReadonlyMap<number, number>,
  { starts, limit, limits }: Share,
): readonly LimitedTake[] {
  const shares = [...lanes]
    .sort((a, b) => a.lane - b.lane)
    .map((lane) => {
      const room = lane.limited ? (limits?.room(lane.tenant)?.jobs ?? 0) : Number.POSITIVE_INFINITY;
      return { ...lane, ready: Math.min(lane.ready, room, caps.get(lane.lane) ?? Number.POSITIVE_INFINITY) };
    });
  if (limits !== undefined) return shareLimited(shares, Math.max(0, starts), limit);
  return shareLanes(shares, limit).map((one) => ({ ...one, starting: one.take }));
}

async function pick(
  session: Session,
  lanes: readonly ReadyLane[],
  planned: readonly LimitedTake[],
): Promise<LanePick[]> {
  const wanted = planned.flatMap((one) => {
    const lane = lanes.find(({ tenant }) => tenant === one.tenant);
    return lane === undefined || one.take < 1 ? [] : [{ lane, planned: one, picked: [] as Picked[] }];
  });
  if (wanted.length === 0) return [];
  const list = wanted.map(({ lane, planned: { take } }, ord) => ({
    ord,
    queue: lane.queue,
    tenant: lane.tenant,
    take,
  }));
  const rows = (await session.run(readyStatement, [JSON.stringify(list)])) as (ReadyRow & {
    readonly tenant: string;
  })[];
  const byTenant = new Map(wanted.map((one) => [one.lane.tenant, one]));
  for (const row of rows) {
    const one = byTenant.get(row.tenant);
    const job = readyJob(row, one?.lane.queue ?? "", row.tenant);
    one?.picked.push({ seq: row.seq, job, damaged: isDamaged(row.detail) });
  }
  return wanted;
}

/** One job of each lane in turn: first those that were picked to start at once. */
export function inTurn(lanes: readonly LanePick[]): readonly Picked[] {
  const [only] = lanes;
  if (lanes.length === 1 && only !== undefined) return only.picked;
  const first = turns(lanes.map(({ planned, picked }) => picked.slice(0, planned.starting)));
  return [...first, ...turns(lanes.map(({ planned, picked }) => picked.slice(planned.starting)))];
}

function turns(lanes: readonly (readonly Picked[])[]): Picked[] {
  const longest = Math.max(0, ...lanes.map((picked) => picked.length));
  return Array.from({ length: longest }, (_, turn) => lanes.flatMap((picked) => picked[turn] ?? [])).flat();
}
