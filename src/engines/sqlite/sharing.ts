// Sharing a queue's claims among its lanes: the next jobs of those whose tenants' limits allow it.
import type { ClaimedJob, Job } from "../../core/job.ts";
import { type LaneTaken, type LimitedTake, passAfter, passBeside, shareLanes, shareLimited } from "../../core/queue.ts";
import { isDamaged } from "../../core/stored-job.ts";
import type { ReadyLane } from "./lanes.ts";
import { claimableLanes, type LimitedLane, lanesRegainAt, wantsSlot } from "./limited-lanes.ts";
import { type ReadyRow, readyColumns, readyJob } from "./rows.ts";
import type { Tx } from "./tx.ts";

const readyStatement = `-- jobs.ready
SELECT ${readyColumns} FROM punctual_jobs WHERE queue = ? AND tenant = ? AND place = 'ready'
ORDER BY priority, due_at, seq LIMIT ?`;

interface Picked {
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

/** The next jobs of a queue, shared among its lanes; those of limited tenants only as far as they start at once. */
export function shareReady(tx: Tx, queue: string, starts: number, limit: number): LanePick[] {
  return tx.tenants.limitAny ? shareAmongLimited(tx, queue, Math.max(0, starts), limit) : shareFreely(tx, queue, limit);
}

function shareFreely(tx: Tx, queue: string, limit: number): LanePick[] {
  const lanes = tx.lanes.ready(queue, limit);
  const takes = shareLanes(lanes, limit).map((one) => ({ ...one, starting: one.take }));
  return readPicks(tx, queue, lanes, takes);
}

function shareAmongLimited(tx: Tx, queue: string, starts: number, limit: number): LanePick[] {
  const lanes = admitted(tx, () => claimableLanes(tx.connection, queue, { starts, limit, now: tx.now }));
  const shares = lanes.map((lane) => {
    const room = lane.limited === 1 ? (tx.tenants.room(lane.tenant)?.jobs ?? 0) : Number.POSITIVE_INFINITY;
    return { ...lane, limited: lane.limited === 1, ready: Math.min(lane.ready, room) };
  });
  return readPicks(tx, queue, lanes, shareLimited(shares, starts, limit));
}

/** Lanes as they are once each is one that may be given something, and has its place in the fair share again. */
function admitted(tx: Tx, look: () => LimitedLane[]): LimitedLane[] {
  tx.lanes.flush();
  for (;;) {
    const lanes = look();
    const moved = lanes.filter((lane) => lane.limited === 1 && tx.tenants.admit(lane.tenant));
    if (moved.length === 0) return lanes;
  }
}

function readPicks(tx: Tx, queue: string, lanes: readonly ReadyLane[], takes: readonly LimitedTake[]): LanePick[] {
  return takes.flatMap((planned) => {
    const { tenant, take } = planned;
    const lane = lanes.find((one) => one.tenant === tenant);
    if (lane === undefined) return [];
    const rows = tx.connection.tuples<ReadyRow>(readyStatement, queue, tenant, take);
    const picked = rows.map((row) => ({
      seq: row[0],
      job: readyJob(row, queue, tenant),
      damaged: isDamaged(row[12]),
    }));
    return { lane, planned, picked };
  });
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

/** Moves what was taken in the counters of its lanes, and the lanes in the fair share. */
export function countTaken(tx: Tx, queue: string, lanes: readonly LanePick[], taken: readonly ClaimedJob[]): void {
  const counted = lanes.map(({ lane, planned }): LaneTaken & { readonly lane: ReadyLane } => {
    const count = lanes.length === 1 ? taken.length : taken.filter((job) => job.tenant === lane.tenant).length;
    return { lane, share: lane, planned, taken: count };
  });
  for (const one of counted) tx.lanes.take(one.lane, one.taken, passAfter(one));
  if (!tx.tenants.limitAny) return;
  for (const { lane, taken: claims } of counted) tx.tenants.spend(lane.tenant, claims);
  const beside = passBeside(counted);
  if (beside !== undefined) tx.lanes.moveLimited(queue, beside);
}

/** Whether a claim that starts so many finds anything ready in a queue. */
export function hasClaimable({ connection, lanes, tenants, now }: Tx, queue: string, starts: number): boolean {
  if (!tenants.limitAny) return lanes.hasReady(queue);
  lanes.flush();
  return claimableLanes(connection, queue, { starts: Math.min(1, starts), limit: 1, now }).length > 0;
}

/** Whether jobs of limited tenants are ready in a queue that only a free slot is given. */
export function isSlotWanted({ connection, lanes, tenants, now }: Tx, queue: string): boolean {
  if (!tenants.limitAny) return false;
  lanes.flush();
  return wantsSlot(connection, queue, now);
}

/** When a tenant's rate next gives to a lane of the queue that waits for it; a place that becomes free is told. */
export function waitingRegainAt({ connection, lanes, tenants, now }: Tx, queue: string): number | undefined {
  if (!tenants.limitAny) return undefined;
  lanes.flush();
  return lanesRegainAt(connection, queue, now);
}
