// What jobs cost the server of the store, as a job's share of the difference of its readings. Nothing where the store lives in
// our processes.
import type { StoreReading } from "./server.ts";
import type { Measure } from "./workload.ts";

/** CPU between two readings. */
export function storeCpu(
  jobs: number,
  before: StoreReading | undefined,
  after: StoreReading | undefined,
): Pick<Measure, "storeCpuUsPerJob"> {
  const us = share(jobs, before?.cpuMs, after?.cpuMs);
  return us === undefined ? {} : { storeCpuUsPerJob: us * 1_000 };
}

/** Readings of the store when it was empty, filled, before and after its drain, and when all had ended. */
type DrainReadings = readonly (StoreReading | undefined)[];

/** Of a drain: CPU and what was written while it ran, row versions by what is told after it, memory of a job that waits. */
export function drainCosts(
  jobs: number,
  stored: number,
  [empty, filled, before, after, ended]: DrainReadings,
): Pick<Measure, "storeCpuUsPerJob" | "figures"> {
  const figures = {
    walBytesPerJob: share(jobs, before?.walBytes, after?.walBytes),
    deadTuplesPerJob: share(jobs, filled?.deadTuples, ended?.deadTuples),
    deadTuplesLeftPerJob: share(jobs, 0, ended?.deadTuplesLeft),
    commandsPerJob: share(jobs, before?.commands, after?.commands),
    messagesPerJob: share(jobs, before?.messages, after?.messages),
    storedBytesPerJob: share(stored, empty?.storedBytes, filled?.storedBytes),
    memoryBytesPerJob: share(stored, empty?.memoryBytes, filled?.memoryBytes),
  };
  const told = toldOf(figures);
  return { ...storeCpu(jobs, before, after), ...(Object.keys(told).length === 0 ? {} : { figures: told }) };
}

/** The figures that the server has. */
export function toldOf(figures: Readonly<Record<string, number | undefined>>): Readonly<Record<string, number>> {
  const told = Object.entries(figures).flatMap(([name, figure]) =>
    figure === undefined ? [] : [[name, figure] as const],
  );
  return Object.fromEntries(told);
}

/** A job's share of what has become of a figure; undefined where the server has none. */
function share(jobs: number, from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : (to - from) / jobs;
}
