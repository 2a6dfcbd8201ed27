// An old holder: claims a job by itself before the fault, without a worker's watch over its lease, and settles it when
// somebody else has long done so (J3).
import { randomBytes } from "node:crypto";
import type { ExtendOutcome, SettleAnswer } from "../../../src/core/engine.ts";
import type { ClaimedJob } from "../../../src/core/job.ts";
import { leaseOf, settle } from "../../../src/core/settling.ts";
import { resolvePolicy } from "../../../src/core/task.ts";
import type { Ground } from "./ground.ts";
import { holderQueue, probe, untilAnswered } from "./load.ts";
import { type ChaosStage, leaseMs } from "./stage.ts";

/** A job in the hands of an old holder. */
export interface HeldJob {
  /** Waits until another has done the job, then extends and settles; answers what was not refused. */
  settleLate(): Promise<string[]>;
}

/** Enqueues for the holder's own queue and claims, until it is quicker than the workers. */
export async function holdJob(stage: ChaosStage<Ground>): Promise<HeldJob> {
  for (;;) {
    await stage.scheduler.enqueue(probe, undefined, { queue: holderQueue });
    const job = await claimOne(stage, holderQueue);
    if (job !== undefined) return { settleLate: () => settleLate(stage, job) };
  }
}

/** Claims a job of a queue; undefined where there is none. */
export async function claimOne(stage: ChaosStage<Ground>, queue: string): Promise<ClaimedJob | undefined> {
  const { jobs } = await stage.engine.jobs.claim({
    claimId: randomBytes(8).toString("hex"),
    worker: "old-holder",
    leaseMs,
    limit: 1,
    starts: 1,
    bytesMax: 1_000_000,
    wants: [{ queue, limit: 1 }],
  });
  return jobs[0];
}

/** What an old holder is answered. */
export interface LateAnswers {
  readonly extended: ExtendOutcome | undefined;
  readonly settled: SettleAnswer["outcome"] | undefined;
}

/** Extends and settles a job by the lease that it was once claimed with. */
export async function settlesLate(stage: ChaosStage<Ground>, job: ClaimedJob): Promise<LateAnswers> {
  const frame = { startedAt: job.claimedAt, endedAt: Date.now(), random: 0 };
  const settlement = settle(job, resolvePolicy({}), { kind: "completed", output: '"too late"' }, frame);
  const [extended] = await stage.engine.jobs.extend([{ lease: leaseOf(job), progress: 0.5 }], leaseMs);
  const [settled] = await stage.engine.jobs.settle([settlement]);
  return { extended, settled: settled?.outcome };
}

async function settleLate(stage: ChaosStage<Ground>, job: ClaimedJob): Promise<string[]> {
  const read = () => untilAnswered(() => stage.engine.jobs.get(job.id));
  await stage.until("the held job to be done by another", async () => (await read())?.state === "completed");
  const before = await read();
  const { extended, settled } = await settlesLate(stage, job);
  const after = await read();
  return [
    ...(extended === "lost" ? [] : [`the old holder's extend was answered ${extended}`]),
    ...(settled === "lost" ? [] : [`the old holder's settle was answered ${settled}`]),
    ...(JSON.stringify(after) === JSON.stringify(before) ? [] : ["the old holder has changed the job"]),
  ];
}
