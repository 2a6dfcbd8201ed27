// One result: the medians of a workload's repeats on one subject, as the JSON line shows it.
import { median } from "./figures.ts";
import type { Config } from "./subject.ts";
import type { Measure, Workload } from "./workload.ts";

export interface Result {
  readonly workload: string;
  readonly subject: string;
  readonly config: Config;
  readonly unit: Workload["unit"];
  /** Medians over the repeats; null where the workload has none. */
  readonly value: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
  /** CPU of our processes per job, in microseconds; of an embedded store, its work is in it. */
  readonly cpuUsPerJob: number | null;
  /** CPU of the store's server per job; null when the store lives in our processes. */
  readonly storeCpuUsPerJob: number | null;
  /** Counted exactly in every repeat. */
  readonly count: number;
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  /** The value of each repeat. */
  readonly values: readonly number[];
  readonly scale: number;
  readonly node: string;
  readonly at: string;
}

/** A bound's figure in a result. */
export function figureOf(result: Result, name = "value"): number | undefined {
  const own = name === "value" ? result.value : name === "p50" ? result.p50 : name === "p99" ? result.p99 : undefined;
  return own ?? result.figures[name];
}

export function resultOf(
  names: Pick<Result, "workload" | "subject" | "config" | "unit" | "scale">,
  measures: readonly Measure[],
  failures: readonly string[],
): Result {
  const { workload, subject, config, unit, scale } = names;
  const problems = [...new Set([...failures, ...measures.flatMap((measure) => measure.problems)])];
  const middle = (pick: (measure: Measure) => number | undefined): number | null => {
    const values = measures.map(pick).filter((value) => value !== undefined && Number.isFinite(value));
    return values.length === 0 ? null : round(median(values as number[]));
  };
  const figureNames = new Set(measures.flatMap(({ figures = {} }) => Object.keys(figures)));
  return {
    workload,
    subject,
    config,
    unit,
    value: middle(({ value }) => value),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    cpuUsPerJob: middle(({ cpuUsPerJob }) => cpuUsPerJob),
    storeCpuUsPerJob: middle(({ storeCpuUsPerJob }) => storeCpuUsPerJob),
    count: median(measures.map(({ count }) => count)) || 0,
    ok: problems.length === 0,
    problems,
    figures: Object.fromEntries([...figureNames].map((name) => [name, middle(({ figures }) => figures?.[name]) ?? 0])),
    values: measures.map(({ value }) => round(value)),
    scale,
    node: process.version,
    at: new Date().toISOString(),
  };
}

/** Four significant digits are more than a benchmark can promise. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
