// Claiming, the general way: right in every case. A look without a lock tells whether there is anything to claim, and of
// which queues; these are locked, and claimed from in one transaction (claim-step.ts).
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { allowance, type Look, lookOf, rateLeft, toLook } from "./claim-look.ts";
import { type Seen, seenFrom } from "./claim-standing.ts";
import { claimLocked } from "./claim-step.ts";
import type { Session } from "./connections.ts";
import { ageLeases, freshJobs } from "./fresh-leases.ts";
import { type JobRow, jobColumns, toJob } from "./rows.ts";
import type { Steps } from "./steps.ts";

const repeatStatement = `-- jobs.claimedBy
SELECT ${jobColumns} FROM (
  SELECT * FROM punctual.jobs WHERE place = 'active' AND token = $1 AND worker = $2
  UNION ALL SELECT * FROM (${freshJobs} WHERE claims.token = $1) AS fresh WHERE worker = $2
) AS claimed ORDER BY claimed.priority, claimed.due_at, claimed.seq`;

/**
 * Gives due jobs to a worker (JobStore#claim). Two claimers never wait for each other but where both may be given
 * something of one queue, or of tenants with limits.
 */
export async function claimGenerally(steps: Steps, request: ClaimRequest): Promise<ClaimAnswer> {
  const { connections, testNow } = steps;
  const [text, values] = lookOf(request.wants, request.limit, testNow);
  let look = toLook(request.wants, await connections.run(text, values));
  const ended = look.open.filter(({ leaseUntil }) => leaseUntil !== undefined && leaseUntil <= look.now);
  if (ended.length > 0) {
    const names = ended.map(({ name }) => name);
    await ageLeases(connections, testNow, names);
    look = toLook(request.wants, await connections.run(text, values));
  }
  if (request.repeat === true) {
    const again = await claimedBefore(connections, request);
    if (again.length > 0) return { jobs: again, nextDueAt: look.now, paused: [], limited: [] };
  }
  const seen = await seenFrom(connections, look, request);
  const queues = worthLocking(look, seen, request);
  if (queues.length > 0) return claimLocked(steps, request, { look, queues, standings: seen.standings });
  const { paused, limited } = look;
  return { jobs: [], nextDueAt: seen.nextDueAt, paused, limited, slotsWanted: seen.slotsWanted };
}

async function claimedBefore(session: Session, { claimId, worker }: ClaimRequest): Promise<ClaimedJob[]> {
  return ((await session.run(repeatStatement, [claimId, worker])) as JobRow[]).map((row) => {
    const job = toJob(row) as ClaimedJob;
    return { ...job, recovered: job.attempts.at(-1)?.outcome === "lost", ref: row.seq };
  });
}

/**
 * The queues that are to be locked, as there may be something to do: in the order in which they are wanted, no more than
 * surely fill the claim. Where tenants have limits nobody knows beforehand what a queue gives.
 */
function worthLocking(look: Look, { standings, giveUpAt: place }: Seen, request: ClaimRequest): string[] {
  const { now } = look;
  const chosen: string[] = [];
  let enough = 0;
  for (const queue of look.open) {
    const { name, ready, leaseUntil, deferredUntil } = queue;
    const standing = standings.get(name);
    const canRecover = request.starts > 0 && queue.limit > 0 && request.limit > 0 && rateLeft(queue, now).limit > 0;
    const isDue = deferredUntil !== undefined && deferredUntil <= now;
    const room = Math.min(ready, allowance(queue, now).limit);
    const gives = enough < request.limit && room > 0 && standing?.claimable === true;
    const frees = place !== undefined && place <= now && standing?.heldBack === true;
    if (gives && !look.limitAny) enough += room;
    if (gives || isDue || frees || (canRecover && leaseUntil !== undefined && leaseUntil <= now)) chosen.push(name);
  }
  return chosen;
}
