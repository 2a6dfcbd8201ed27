// Failovers that lose what was acknowledged last, on purpose: replication is asynchronous, and here it is cut before. What is
// left must be whole, and whoever holds a lease that is lost must not settle by it.
import { setTimeout as sleep } from "node:timers/promises";
import { startRedisFailover } from "../../services/redis-failover.ts";
import type { Fault } from "../chaos/fault.ts";
import { claimOne, settlesLate } from "../chaos/holder.ts";
import { probe, quietQueue, untilAnswered } from "../chaos/load.ts";
import type { Account } from "../chaos/remains.ts";
import { playFault, type RoundOptions } from "../chaos/round.ts";
import type { ChaosStage } from "../chaos/stage.ts";
import { type FailoverGround, failoverGround } from "./ground.ts";

/** How long writes are lost, and how long a former primary goes on that has not heard of the other. */
const lossMs = 3_000;
const splitMs = 2_000;

export const failoverFaults = {
  "primary-killed": {
    title: "the primary is killed, and the replica that is promoted lacks the last seconds",
    throughProxy: false,
    mayLose: true,
    async strike(stage) {
      const { failover } = stage.ground;
      const stale = await cutAndClaim(stage);
      stage.lostAt = now();
      await failover.failOver();
      await expectFenced(stage, stale);
      await failover.rejoin();
      return {};
    },
  },
  "primary-frozen": {
    title: "the primary is frozen, another is promoted, and the first goes on as if nothing had been",
    throughProxy: false,
    mayLose: true,
    // For a while both fire.
    forgets: true,
    async strike(stage) {
      const { failover } = stage.ground;
      const stale = await cutAndClaim(stage);
      await failover.failOver("pause");
      failover.replica.resume();
      await sleep(splitMs);
      await failover.rejoin();
      // Until then it took writes that are gone.
      stage.lostAt = now();
      await expectFenced(stage, stale);
      return {};
    },
  },
  "primary-and-workers-killed": {
    title: "the primary is killed, and with it every worker: nobody is left who knows of the last seconds",
    throughProxy: false,
    mayLose: true,
    forgets: true,
    async strike(stage) {
      const { failover } = stage.ground;
      const stale = await cutAndClaim(stage);
      const victims = stage.living("worker");
      for (const victim of victims) {
        victim.isOver = true;
        victim.process.kill("SIGKILL");
      }
      await Promise.all(victims.map(({ ended }) => ended));
      stage.lostAt = now();
      await failover.failOver();
      await Promise.all(victims.map(({ queues }) => stage.start("worker", queues)));
      await expectFenced(stage, stale);
      await failover.rejoin();
      return {};
    },
  },
} as const satisfies Record<string, Fault<FailoverGround>>;

export type FailoverFaultName = keyof typeof failoverFaults;

/** Plays a round on servers of its own. @throws when it does not get to its end */
export async function playFailoverRound(name: FailoverFaultName, options: RoundOptions): Promise<Account> {
  const failover = await startRedisFailover();
  try {
    const fault: Fault<FailoverGround> = failoverFaults[name];
    return await playFault(fault, (how) => failoverGround(failover, how), options);
  } finally {
    await failover.close();
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

type Claimed = NonNullable<Awaited<ReturnType<typeof claimOne>>>;

/** Leases that are about to be lost: of a job that stays, and of one that is lost with it. */
interface Stale {
  readonly ofKept: Claimed;
  readonly ofLost: Claimed;
}

/** From here on nothing reaches the replica, and the load goes on for a while. */
async function cutAndClaim(stage: ChaosStage<FailoverGround>): Promise<Stale> {
  const enqueue = () => stage.scheduler.enqueue(probe, undefined, { queue: quietQueue });
  await enqueue();
  await stage.ground.failover.cutReplication();
  const ofKept = await claimOne(stage, quietQueue);
  await enqueue();
  const ofLost = await claimOne(stage, quietQueue);
  if (ofKept === undefined || ofLost === undefined) throw new Error("the jobs to hold were not there");
  await sleep(lossMs);
  return { ofKept, ofLost };
}

/** @throws when a lease that is lost still settles */
async function expectFenced(stage: ChaosStage<FailoverGround>, { ofKept, ofLost }: Stale): Promise<void> {
  const late = async (about: string, job: Claimed) => {
    const answer = await untilAnswered(() => settlesLate(stage, job));
    if (answer.settled !== "lost" && answer.settled !== "unknown") throw new Error(`${about} was ${answer.settled}`);
    if (answer.extended !== "lost") throw new Error(`${about} was extended: ${answer.extended}`);
  };
  await late("a claim that is lost", ofKept);
  await late("a claim of a job that is lost", ofLost);
  await stage.start("worker", [quietQueue]);
  await stage.until("the job to be done by another", async () => {
    const job = await untilAnswered(() => stage.engine.jobs.get(ofKept.id));
    return job?.state === "completed";
  });
  await late("a claim that is lost, and made again by another,", ofKept);
  await late("a claim of a job that is lost, its number given to another,", ofLost);
}
