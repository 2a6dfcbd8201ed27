// One round of chaos: load, a fault in the middle of it, recovery without a hand raised, and the account of what is left.
import type { PostgresServer } from "../../services/postgres.ts";
import { type Account, accountOf, readRemains } from "./chaos-account.ts";
import { type ChaosChild, ChaosStage } from "./chaos-stage.ts";
import { type Fault, type FaultName, type FaultOptions, faults } from "./faults.ts";
import { holdJob } from "./holder.ts";
import { holderQueue, loadSchedules, quietQueue, untilAnswered } from "./load.ts";

export interface RoundOptions extends FaultOptions {
  readonly producers: number;
  readonly workers: number;
  readonly audit: "changes" | "all";
}

/** So much every process does before the fault, and again after it. */
const fairShare = 20;

/** Plays a round on a database of its own. @throws when it does not get to its end */
export async function playRound(name: FaultName, server: PostgresServer, options: RoundOptions): Promise<Account> {
  const fault: Fault = faults[name];
  const stage = await ChaosStage.set(server, { audit: options.audit, throughProxy: fault.throughProxy });
  try {
    return await play(stage, fault, options);
  } finally {
    await stage.clear();
  }
}

async function play(
  stage: ChaosStage,
  fault: Fault,
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

  const figures = await fault.strike(stage, { pausedMs });
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
  const remains = await readRemains(engine, scheduler, { effects: stage.effects(), auditsAll: audit === "all" });
  const account = accountOf(remains);
  return {
    counts: { ...account.counts, ...figures, "longest recovery of a process, ms": Math.round(recoveries) },
    shortcomings: [
      ...account.shortcomings,
      ...endings,
      ...late,
      ...(words === "" ? [] : [`said on stderr: ${words.slice(0, 500)}`]),
    ],
  };
}

/** Processes that the load keeps busy; the worker of probes has little to do. */
function busyOnes(stage: ChaosStage): ChaosChild[] {
  const living = [...stage.living("producer"), ...stage.living("worker")];
  return living.filter(({ queues }) => !queues.includes(quietQueue));
}

/** What a process has got done since an instant: jobs accepted, or handlers that began and ended. */
function share(stage: ChaosStage, { pid, mode }: ChaosChild, since: number): number {
  const own = stage.effects().filter((line) => line.pid === pid && line.at > since);
  return own.filter(({ kind }) => kind === (mode === "producer" ? "accepted" : "done")).length;
}

/** Waits until every process goes on and every schedule ticks; answers how long the last process took to begin, in ms. */
async function recovery(stage: ChaosStage, overAt: number): Promise<number> {
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
