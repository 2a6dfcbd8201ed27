// A claim as one transaction: expired leases first and alone, then due jobs by lane, priority, due time and insertion.
import { claimedEvent } from "../../core/audit.ts";
import { defaults } from "../../core/defaults.ts";
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { earliest } from "./claim-look.ts";
import { seenOf } from "./claim-standing.ts";
import { isLockTimeout } from "./faults.ts";
import { type Chosen, LockedClaim } from "./locked-claim.ts";
import { recoverOne } from "./recovery.ts";
import type { Steps } from "./steps.ts";
import { take } from "./taking.ts";

/** Claims from the chosen queues, in one transaction. Its commit may be lost with the server: nobody was promised a claim. */
export async function claimLocked(steps: Steps, request: ClaimRequest, chosen: Chosen): Promise<ClaimAnswer> {
  try {
    return await claimWithLocks(steps, request, chosen);
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    // Another claim of these queues, or whoever changes their limits, takes long: that is no outage, and nothing is lost.
    const { now, paused, limited } = chosen.look;
    return { jobs: [], nextDueAt: now + defaults.postgres.heldRetryMs, paused, limited };
  }
}

function claimWithLocks(steps: Steps, request: ClaimRequest, chosen: Chosen): Promise<ClaimAnswer> {
  const { auditsAll } = steps.context.history;
  return steps.begin(async (step) => {
    const claim = new LockedClaim(step, request, chosen, auditsAll);
    await claim.begin();
    const recovered = await recoverOne(claim);
    const taken = recovered === undefined ? await takeShared(claim) : { jobs: [recovered], lanes: new Map() };
    if (auditsAll) claim.writes.append(taken.jobs.map((job) => claimedEvent(job, step.now)));
    return { jobs: taken.jobs, ...(await answerOf(claim, taken.lanes, recovered)) };
  });
}

async function takeShared(claim: LockedClaim) {
  await claim.giveUp();
  return take(claim);
}

async function answerOf(
  claim: LockedClaim,
  taken: ReadonlyMap<number, number>,
  recovered: ClaimedJob | undefined,
): Promise<Omit<ClaimAnswer, "jobs">> {
  const { step, request, now } = claim;
  await claim.writes.flush(claim.limits);
  if (recovered !== undefined) await claim.refresh();
  const standings = new Map([...claim.otherStandings(), ...(await claim.standings(taken))]);
  const { open, paused, limited } = claim.lookAtAll();
  const { nextDueAt, slotsWanted } = await seenOf(step.session, open, standings, { request, now });
  const heldAt = claim.short.length > 0 ? now + defaults.postgres.heldRetryMs : undefined;
  return { nextDueAt: earliest([nextDueAt, heldAt]), paused, limited, slotsWanted };
}
