// What a fault is, whichever engine it strikes, and the one that strikes a process of ours.
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
