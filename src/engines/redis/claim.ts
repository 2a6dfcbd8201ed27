// Claiming: one script decides and takes. What leads to more than a claim (a lease that has ended, a place that is wanted)
// it only names: that is done as a step of core, and the claim is made again.
import { claimedEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import { type ClaimedJob, compareDue, type Job } from "../../core/job.ts";
import { endJob } from "../../core/steps/ending.ts";
import { giveUpPlace, recoverLease } from "../../core/steps/recovery.ts";
import { damagedReason } from "../../core/stored-job.ts";
import { failDamaged, isLost } from "../../core/transitions.ts";
import type { Names } from "../../core/workspace/names.ts";
import type { Reply } from "./client.ts";
import { seqOf } from "./row-head.ts";
import { workerText } from "./row-overlay.ts";
import { claimedJob, parseBase } from "./rows.ts";
import { claimScript } from "./scripts/claim.ts";
import { Moved, type Steps } from "./steps.ts";

/** Leases that end instead of being recovered, and places that are given up, in one claim at most. */
const followedMax = 100;

/** Gives due jobs to a worker (JobStore#claim). */
export async function claimJobs(steps: Steps, request: ClaimRequest): Promise<ClaimAnswer> {
  for (let followed = 0; ; followed++) {
    // Beyond so many nothing is followed up: the rest is the next claim's.
    const starts = followed < followedMax ? request.starts : 0;
    const begin = request.repeat === true ? part.repeat : part.first;
    const reply = await callScript(steps, { ...request, starts }, followed === 0 ? begin : part.more);
    const now = Number(reply[0]);
    if (reply[1] === "jobs") return await answerOf(steps, request, now, reply);
    if (reply[1] === "again") {
      return { jobs: again(reply.slice(2) as string[], now), nextDueAt: now, paused: [], limited: [] };
    }
    const [, kind, seq, base, overlay] = reply as readonly string[];
    const { job } = parseBase(seqOf(seq ?? ""), base ?? "", overlay ?? null, now);
    if (kind === "give-up") {
      await giveUp(steps, job);
      continue;
    }
    const recovered = await recover(steps, request, job);
    if (recovered === undefined) continue;
    return { ...(await lookOn(steps, request)), jobs: [recovered] };
  }
}

/** What a script's call is of its claim. One whose repeat has been answered takes nothing, should it arrive late. */
const part = { first: 0, repeat: 1, more: 2 } as const;

/** How the queues stand once a job has been recovered. The claim has been made, whatever becomes of this look. */
async function lookOn(steps: Steps, request: ClaimRequest): Promise<Omit<ClaimAnswer, "jobs">> {
  try {
    return standingOf(await callScript(steps, { ...request, limit: 0 }, part.more));
  } catch {
    return { nextDueAt: 0, paused: [], limited: [] };
  }
}

type Answered = readonly [now: string, kind: string, ...Reply[]];

async function callScript(
  { access }: Steps,
  request: Omit<ClaimRequest, "repeat">,
  which: (typeof part)[keyof typeof part],
): Promise<Answered> {
  const { claimId, worker, leaseMs, limit, starts, bytesMax, wants } = request;
  return (await access.client.run(claimScript, [
    access.testNow(),
    claimId,
    workerText(worker),
    leaseMs,
    limit,
    starts,
    bytesMax,
    which,
    access.history.auditsAll && access.history.eventAgeMsMax > 0 ? 1 : 0,
    ...wants.flatMap((want) => [want.queue, want.limit]),
  ])) as unknown as Answered;
}

function standingOf([, , nextDueAt, slotsWanted, paused, limited]: Answered): Omit<ClaimAnswer, "jobs"> {
  return {
    nextDueAt: nextDueAt === "" ? undefined : Number(nextDueAt),
    slotsWanted: slotsWanted === 1,
    paused: paused as readonly string[],
    limited: limited as readonly string[],
  };
}

async function answerOf(steps: Steps, request: ClaimRequest, now: Millis, reply: Answered): Promise<ClaimAnswer> {
  const { claimId: token, worker, leaseMs, starts } = request;
  const jobs: ClaimedJob[] = [];
  const damaged: string[] = [];
  for (let at = 6; at < reply.length; at += 2) {
    const seq = seqOf(reply[at] as string);
    const startsNow = jobs.length + damaged.length < starts;
    const job = claimedJob(seq, reply[at + 1] as string, { token, worker, leaseMs, startsNow }, now);
    if (job === undefined) damaged.push(parseBase(seq, reply[at + 1] as string, null, now).job.id);
    else {
      jobs.push(job);
      steps.access.fired.claimed(job);
    }
  }
  // The others have been claimed, and those that cannot be ended now are when their leases end.
  if (damaged.length > 0) await endDamaged(steps, damaged).catch(() => {});
  return { ...standingOf(reply), jobs };
}

/** Jobs that cannot be read end instead of being given out. */
function endDamaged(steps: Steps, ids: readonly JobId[]): Promise<void> {
  return steps.run(nameAll(ids), (workspace) => {
    for (const id of ids) {
      const stored = workspace.findLive(id);
      if (stored !== undefined) endJob(workspace, failDamaged(stored.job, damagedReason, workspace.now), stored);
    }
  });
}

function nameAll(ids: readonly JobId[]): (names: Names) => void {
  return (names) => {
    for (const id of ids) names.jobs.add(id);
  };
}

/** The jobs of a claim whose answer was lost, in the order to start them. */
function again(texts: readonly string[], now: Millis): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  for (let at = 0; at < texts.length; at += 3) {
    const [seq = "", base = "", overlay = ""] = texts.slice(at, at + 3);
    const { job } = parseBase(seqOf(seq), base, overlay, now);
    jobs.push({ ...(job as ClaimedJob), recovered: isLost(job), ref: seqOf(seq) });
  }
  return jobs.sort((a, b) => compareDue(a, b) || Number(a.ref) - Number(b.ref));
}

/** Claims a job whose lease has ended; undefined when it has ended instead, or someone else was faster. */
async function recover(
  steps: Steps,
  request: ClaimRequest,
  { id, queue, tenant }: Job,
): Promise<ClaimedJob | undefined> {
  const { claimId, worker, leaseMs } = request;
  const claim = { token: claimId, worker, leaseMs, startsNow: true };
  try {
    const { answer } = await steps.perform({
      hint: (names) => {
        names.jobs.add(id);
        names.queues.add(queue);
      },
      decide: (workspace) => {
        const stored = workspace.findLive(id);
        if (stored === undefined || !hasEnded(stored.job, workspace.now)) return undefined;
        const recovered = recoverLease(workspace, stored, claim, stored.seq);
        if (recovered !== undefined && workspace.auditsAll) workspace.append(claimedEvent(recovered, workspace.now));
        return recovered;
      },
      spend: (recovered) => (recovered === undefined ? undefined : { queue, tenant }),
      claim: (recovered) => (recovered === undefined ? undefined : { claimId, job: id, leaseMs }),
      repeats: 3,
    });
    return answer;
  } catch (error) {
    // Others recover it, or a rate that was left is spent: the claim made again sees it.
    if (error instanceof Moved) return undefined;
    throw error;
  }
}

function hasEnded({ state, leaseUntil = 0 }: Job, now: Millis): boolean {
  return state === "active" && leaseUntil <= now;
}

/** Gives up a place that a dead worker holds. */
function giveUp(steps: Steps, { id, queue, attempt }: Job): Promise<void> {
  return steps.run(
    (names) => {
      names.jobs.add(id);
      names.queues.add(queue);
    },
    (workspace) => {
      const stored = workspace.findLive(id);
      if (stored?.job.attempt === attempt && hasEnded(stored.job, workspace.now)) giveUpPlace(workspace, stored);
    },
  );
}
