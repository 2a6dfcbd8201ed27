// Taking ready jobs of locked queues, in the order in which these are wanted, until the claim is full.
import type { ClaimedJob, Job } from "../../core/job.ts";
import { type LaneTaken, passAfter, passBeside } from "../../core/queue.ts";
import { endJob } from "../../core/steps/ending.ts";
import { damagedReason } from "../../core/stored-job.ts";
import { applyClaim, failDamaged, isLost } from "../../core/transitions.ts";
import { Names } from "../../core/workspace/names.ts";
import { allowance, earliest, type OpenQueue, spend } from "./claim-look.ts";
import type { LaneTake } from "./claim-writes.ts";
import type { ReadyLane } from "./limited-lanes.ts";
import type { LockedClaim } from "./locked-claim.ts";
import { inTurn, type Shared, shareReady } from "./shared-claim.ts";
import { attempt } from "./trying.ts";

/** What a claim has taken. */
export interface Taken {
  readonly jobs: readonly ClaimedJob[];
  /** How many rows each lane has fewer, by its number. */
  readonly lanes: ReadonlyMap<number, number>;
}

/** Takes the next jobs of the claim's queues. */
export async function take(claim: LockedClaim): Promise<Taken> {
  const { request, now, limits } = claim;
  const { claimId: token, worker, leaseMs, starts } = request;
  const jobs: ClaimedJob[] = [];
  const gone = new Map<number, number>();
  let bytes = 0;
  for (const queue of claim.open) {
    const room = Math.min(queue.limit, request.limit - jobs.length, allowance(queue, now).limit);
    const lanes = claim.lanesOf(queue.name);
    if (room <= 0 || lanes.length === 0) continue;
    const before = jobs.length;
    const share = { queue: queue.name, starts: starts - before, limit: room, now, lanes, limits };
    const shared = await shareReady(claim.step.session, share);
    claim.short.push(...shared.short);
    const turns = inTurn(shared.picks);
    const lost = turns.find(({ job, damaged }) => !damaged && isLost(job));
    if (lost !== undefined && before > 0) continue;
    for (const { seq, job, damaged } of lost === undefined ? turns : [lost]) {
      if (damaged) {
        const outcome = await attempt(claim.step, () => end(claim, job));
        if (outcome === "held") claim.short.push({ queue: queue.name, tenant: job.tenant });
        else countGone(gone, shared, job);
        continue;
      }
      bytes += job.input.length;
      if (jobs.length > 0 && bytes > request.bytesMax) break;
      const startsNow = jobs.length < starts;
      jobs.push(applyClaim(job, { token, worker, leaseMs, startsNow }, now, seq));
      countGone(gone, shared, job);
      claim.writes.claim(seq, startsNow);
    }
    const taken = jobs.slice(before);
    countTaken(claim, queue, shared, taken);
    if (taken.length === 0) continue;
    queue.leaseUntil = earliest([queue.leaseUntil, now + leaseMs]);
    queue.active += taken.length;
    if (spend(queue, taken.length, now)) claim.writes.saveWindow(queue);
    if (lost !== undefined) break;
  }
  return { jobs, lanes: gone };
}

function countGone(gone: Map<number, number>, { picks }: Shared, { tenant }: Job): void {
  const lane = picks.find((one) => one.lane.tenant === tenant)?.lane.lane;
  if (lane !== undefined) gone.set(lane, (gone.get(lane) ?? 0) + 1);
}

/** A job whose row cannot be read ends instead of being claimed. */
async function end({ step }: LockedClaim, { id }: Job): Promise<void> {
  const names = new Names();
  names.jobs.add(id);
  await step.decide(names, (workspace) => {
    const stored = workspace.findLive(id);
    if (stored !== undefined) endJob(workspace, failDamaged(stored.job, damagedReason, workspace.now), stored);
  });
}

/** Moves what was taken in the counters of its lanes, and the lanes in the fair share. */
function countTaken(
  { writes, limits }: LockedClaim,
  { name }: OpenQueue,
  { picks, short }: Shared,
  taken: readonly ClaimedJob[],
): void {
  const counted = picks.map(({ lane, planned }): LaneTaken & { readonly lane: ReadyLane } => {
    const count = picks.length === 1 ? taken.length : taken.filter((job) => job.tenant === lane.tenant).length;
    return { lane, share: lane, planned, taken: count };
  });
  const takes: LaneTake[] = counted.map((one) => ({
    queue: name,
    tenant: one.lane.tenant,
    taken: one.taken,
    pass: passAfter(one),
  }));
  // Lanes that others have in hand save nothing up meanwhile.
  const others = takes.filter(({ tenant }) => !short.some((lane) => lane.tenant === tenant));
  const lowest = Math.min(...others.map(({ pass }) => pass));
  for (const { tenant, pass } of others.length === 0 ? [] : short) {
    const one = takes.find((other) => other.tenant === tenant);
    if (one !== undefined) takes[takes.indexOf(one)] = { ...one, pass: Math.max(one.pass, lowest) };
    else if (pass < lowest) takes.push({ queue: name, tenant, taken: 0, pass: lowest });
  }
  for (const one of takes) writes.take(one);
  if (limits === undefined) return;
  for (const { lane, taken: claims } of counted) limits.spend(lane.tenant, claims);
  const beside = passBeside(counted);
  if (beside !== undefined) writes.moveLimited(name, beside);
}
