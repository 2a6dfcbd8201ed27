// What a fault is, whichever engine it strikes, and the one that strikes a process of ours.
import { setTimeout as sleep } from "node:timers/promises";
import { isStopped } from "../../services/process-tree.ts";
import type { Effect } from "./effects.ts";
import type { Ground } from "./ground.ts";
import { probe, quietQueue, untilAnswered } from "./load.ts";
import type { ChaosStage } from "./stage.ts";

export interface Fault<G extends Ground> {
  readonly title: string;
  readonly throughProxy: boolean;
  /** A worker of its own serves the queue of probes. */
  readonly quietWorker?: true;
  /** What was acknowledged last may be lost, all of it since some instant: it is counted. */
  readonly mayLose?: true;
  /** Of those that lose something: whether nobody is left who knows which ticks had fired, so that some fire again. */
  readonly forgets?: true;
  /** Answers figures of its own, once the harm is over. @throws when it could not do what it says */
  strike(stage: ChaosStage<G>, how: FaultOptions): Promise<Readonly<Record<string, number>>>;
}

export interface FaultOptions {
  /** How long a server is paused: longer than the lease of 2 s, and than what counts as late for a tick. */
  readonly pausedMs: number;
  /** Whether the log has every transition: engines then take other ways. */
  readonly audit: "changes" | "all";
}

export const workerKilled: Fault<Ground> = {
  title: "a worker is killed with kill -9",
  throughProxy: false,
  async strike(stage) {
    const [victim] = stage.living("worker");
    if (victim === undefined) throw new Error("there is no worker to kill");
    const inHand = () => {
      const own = stage.effects().filter(({ pid }) => pid === victim.pid);
      const ended = own.filter(({ kind }) => kind === "done").length;
      return own.filter(({ kind }) => kind === "started").length - ended;
    };
    await stage.until("the worker to be in the middle of something", () => inHand() > 0);
    victim.isOver = true;
    victim.process.kill("SIGKILL");
    await victim.ended;
    return { "attempts that were under way": inHand() };
  },
};

/** A handler that has run for so long is a slow one, whose job has no successor that would take its place. */
const surelySlowMs = 500;

export const workerStopped: Fault<Ground> = {
  title: "a worker is stopped with SIGSTOP for longer than its lease, and goes on when others have its jobs",
  throughProxy: false,
  async strike(stage) {
    const [victim] = stage.living("worker");
    if (victim === undefined) throw new Error("there is no worker to stop");
    const own = (kind: Effect["kind"]) =>
      stage.effects().filter((line) => line.pid === victim.pid && line.kind === kind && line.job !== undefined);
    const inHand = () => {
      const done = new Set(own("done").map(({ job }) => job));
      const latest = performance.timeOrigin + performance.now() - surelySlowMs;
      return own("started").filter(({ job, at }) => at < latest && !done.has(job));
    };
    await stage.until("the worker to be in the middle of something slow", () => inHand().length > 0);
    const stoppedAt = performance.timeOrigin + performance.now();
    victim.process.kill("SIGSTOP");
    while (!isStopped(victim.pid)) await sleep(1);
    const jobs = new Set(inHand().map(({ job }) => job));
    const isTaken = ({ kind, pid, job, at }: Effect) =>
      kind === "started" && at > stoppedAt && pid !== victim.pid && jobs.has(job);
    const taken = () => stage.effects().filter(isTaken);
    await stage.until("others to take its jobs", () => new Set(taken().map(({ job }) => job)).size === jobs.size);
    victim.process.kill("SIGCONT");
    const told = () => new Set(own("lease-lost").map(({ job }) => job));
    await stage.until("the worker to learn of it", () => [...jobs].every((job) => told().has(job)));
    return { "jobs that others took from it, and whose late end was refused": jobs.size };
  },
};

/** How long jobs for an idle worker lie until they start, in ms, one after another. */
export async function latencies(stage: ChaosStage<Ground>, count: number): Promise<number[]> {
  const waits: number[] = [];
  for (let n = 0; n < count; n++) {
    const sentAt = performance.timeOrigin + performance.now();
    const { id } = await untilAnswered((ids) =>
      stage.scheduler.enqueue(probe, undefined, {
        queue: quietQueue,
        ...(ids?.[0] === undefined ? {} : { id: ids[0] }),
      }),
    );
    const start = () => stage.effects().find(({ kind, job }) => kind === "started" && job === id);
    await stage.until("a probe to start", () => start() !== undefined);
    waits.push((start()?.at ?? 0) - sentAt);
  }
  return waits;
}

export function median(values: readonly number[]): number {
  return Math.round((values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0) * 10) / 10;
}
