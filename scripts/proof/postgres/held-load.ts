// The calls that go on beside a held transaction, each kind made again and again and timed.
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../verdict.ts";

/** A kind of call, by name. */
export type TimedCalls = Readonly<Record<string, (n: number) => Promise<unknown>>>;

/** How long the calls of one kind took in one phase, in ms. */
export interface CallTimes {
  readonly call: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Calls that failed, by what they said. */
  readonly failures: readonly string[];
}

/** Between two calls of a kind, in ms. */
const pauseMs = 20;

/** Makes calls of every kind, side by side, until something has happened. */
export async function timeCalls(calls: TimedCalls, until: Promise<unknown>): Promise<CallTimes[]> {
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  const phases = Object.entries(calls).map(async ([call, make]): Promise<CallTimes> => {
    const times: number[] = [];
    const failures: string[] = [];
    for (let n = 0; !isOver; n++) {
      const startedAt = performance.now();
      await make(n).catch((error: unknown) => failures.push(`${call}: ${error}`));
      times.push(performance.now() - startedAt);
      await sleep(pauseMs);
    }
    return summary(call, times, failures);
  });
  const [times] = await Promise.all([Promise.all(phases), over]);
  return times;
}

/** How long it takes from the end of a handler until its job is settled. */
export class SettleTimes {
  readonly #endedAt = new Map<string, number>();
  #times: number[] = [];

  handlerEnded(job: string): void {
    this.#endedAt.set(job, performance.now());
  }

  settled(job: string): void {
    const endedAt = this.#endedAt.get(job);
    if (endedAt !== undefined) this.#times.push(performance.now() - endedAt);
    this.#endedAt.delete(job);
  }

  /** Those since the last time this was asked. A settlement that is still awaited counts as long as it has lasted. */
  take(): CallTimes {
    const awaited = [...this.#endedAt.values()].map((endedAt) => performance.now() - endedAt);
    const times = [...this.#times, ...awaited];
    this.#times = [];
    return summary("settle of a job", times, []);
  }
}

function summary(call: string, times: readonly number[], failures: readonly string[]): CallTimes {
  const sorted = times.toSorted((a, b) => a - b);
  return {
    call,
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    longestMs: sorted.at(-1) ?? 0,
    failures,
  };
}
