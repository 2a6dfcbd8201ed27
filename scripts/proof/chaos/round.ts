// One round of chaos: load, a fault in the middle of it, recovery without a hand raised, and the account of what is left.
import { accountOf } from "./account.ts";
import type { Fault, FaultOptions } from "./fault.ts";
import type { Ground, GroundOptions } from "./ground.ts";
import { holdJob } from "./holder.ts";
import { holderQueue, loadSchedules, quietQueue, untilAnswered } from "./load.ts";
import { type Account, readRemains } from "./remains.ts";
import { type ChaosChild, ChaosStage } from "./stage.ts";

export interface RoundOptions extends FaultOptions {
  readonly producers: number;
  readonly workers: number;
}

/** So much every process does before the fault, and again after it. */
const fairShare = 20;

/** Plays a round on a ground of its own. @throws when it does not get to its end */
export async function playFault<G extends Ground>(
  fault: Fault<G>,
  groundFor: (options: GroundOptions) => Promise<G>,
  options: RoundOptions,
): Promise<Account> {
  const ground = await groundFor({ audit: options.audit, throughProxy: fault.throughProxy });
  const stage = await ChaosStage.set(ground, options.audit);
  try {
    return await play(stage, fault, options);
  } finally {
    await stage.clear();
  }
}

async function play<G extends Ground>(
  stage: ChaosStage<G>,
  fault: Fault<G>,
  { producers, workers, audit, pausedMs }: RoundOptions,
): Promise<Account> {
  const { scheduler, engine } = stage;
  await scheduler.schedules.ensureMany(loadSchedules);
  await Promise.all([
    ...Array.from({ length: producers }, () => stage.start("producer")),
    ...Array.from({ length: workers }, () => stage.start("worker", ["default", holderQueue])),
    ...(fault.quietWorker === true ? [stage.start("worker", [quietQueue])] : []),
  ]);
  await stage.until("load", () => busyOnes(stage).every((child) => share(stage, child, 0) >= fairShare));
  const held = await holdJob(stage);

  const figures = await fault.strike(stage, { pausedMs, audit });
  const overAt = performance.timeOrigin + performance.now();
  const recoveries = await recovery(stage, overAt);
  const late = await held.settleLate();

  const endings = await stage.end("producer");
  for (const { id = "" } of loadSchedules) await untilAnswered(() => scheduler.schedules.disable(id));
  await stage.until("all jobs to end", async () => {
    const { waiting, delayed, active } = await untilAnswered(() => scheduler.stats());
    return waiting + delayed + active === 0;
  });
  endings.push(...(await stage.end("worker")));
  const words = stage.words().trim();
  const remains = await readRemains(engine, scheduler, {
    effects: stage.effects(),
    auditsAll: audit === "all",
    lostAt: fault.mayLose === true ? stage.lostAt : undefined,
    forgets: fault.forgets === true,
  });
  const account = accountOf(remains);
  const audited = (await stage.ground.audit?.()) ?? [];
  return {
    counts: { ...account.counts, ...figures, "longest recovery of a process, ms": Math.round(recoveries) },
    shortcomings: [
      ...account.shortcomings,
      ...audited,
      ...endings,
      ...late,
      ...(words === "" ? [] : [`said on stderr: ${words.slice(0, 500)}`]),
    ],
  };
}

/** Processes that the load keeps busy; the worker of probes has little to do. */
function busyOnes(stage: ChaosStage<Ground>): ChaosChild[] {
  const living = [...stage.living("producer"), ...stage.living("worker")];
  return living.filter(({ queues }) => !queues.includes(quietQueue));
}

/** What a process has got done since an instant: jobs accepted, or handlers that began and ended. */
function share(stage: ChaosStage<Ground>, { pid, mode }: ChaosChild, since: number): number {
  const own = stage.effects().filter((line) => line.pid === pid && line.at > since);
  return own.filter(({ kind }) => kind === (mode === "producer" ? "accepted" : "done")).length;
}

/** Waits until every process goes on and every schedule ticks; answers how long the last process took to begin, in ms. */
async function recovery(stage: ChaosStage<Ground>, overAt: number): Promise<number> {
  const busy = busyOnes(stage);
  await stage.until("every process to go on", () => busy.every((child) => share(stage, child, overAt) >= fairShare));
  const ticks = () => stage.effects().filter(({ tick = 0 }) => tick > overAt);
  await stage.until("every schedule to tick", () =>
    loadSchedules.every(({ id }) => ticks().some(({ schedule }) => schedule === id)),
  );
  const effects = stage.effects();
  const begins = busy.map(({ pid, mode }) => {
    const kind = mode === "producer" ? "accepted" : "started";
    return effects.find((line) => line.pid === pid && line.kind === kind && line.at > overAt)?.at ?? 0;
  });
  return Math.max(...begins) - overAt;
}
