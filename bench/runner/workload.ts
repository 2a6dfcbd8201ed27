// The contract of a workload: a file in bench/workloads exports one `workload`; it is played on a stage of its own for
// every subject and repeat.
import type { Actor } from "../process/actor.ts";
import type { ServerKind, StoreReading } from "./server.ts";
import type { Ability, Pace, Subject } from "./subject.ts";

/** One measurement. */
export interface Measure {
  /** In the workload's unit. */
  readonly value: number;
  /** Percentiles of a latency or lateness, in ms. */
  readonly p50?: number | undefined;
  readonly p99?: number | undefined;
  /** CPU of our processes per job, in microseconds. */
  readonly cpuUsPerJob?: number | undefined;
  /** CPU of the store's server per job; absent when the store lives in our process. */
  readonly storeCpuUsPerJob?: number | undefined;
  /** Jobs, schedules or ticks that were counted exactly. */
  readonly count: number;
  /** What the counts did not bear out; empty when all is well. */
  readonly problems: readonly string[];
  /** Further figures, by name with unit. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Stage {
  readonly subject: Subject;
  /** What the subject cannot keep up with in this setting. */
  readonly pace: Pace;
  /** A number of jobs, times the scale of this run and the subject's share, at least `least` (10). */
  scaled(count: number, least?: number): number;
  /** A process that enqueues; for a store inside one process it is the worker itself. */
  producer(): Promise<Actor>;
  /** A process that works; `another` for a second one. */
  worker(another?: "another"): Promise<Actor>;
  /** A process beside the others. */
  bystander(): Promise<Actor>;
  /** What the store's server has done so far; undefined where the store lives in our processes. */
  readStore(): Promise<StoreReading | undefined>;
  /** The same, when every process of ours has ended and told the server all it did. */
  readStoreAtRest(): Promise<StoreReading | undefined>;
  progress(doing: string, done: number, total: number): void;
  /** Says again and again how far it is, until the next call or the end of the run. */
  watch(doing: string, done: () => number, total: number): void;
}

/** Whether the workload is played on a subject. */
export function isAble({ abilities, server, only }: Subject, { name, needs, servers }: Workload): boolean {
  const served = servers === undefined || (server !== undefined && servers.includes(server));
  const meant = only === undefined || only.includes(name);
  return served && meant && needs.every((ability) => abilities.includes(ability));
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly unit: "jobs/s" | "schedules/s" | "ms" | "MB" | "bytes";
  /** What the value is, where the unit leaves it open. */
  readonly valueIs?: string;
  readonly better: "more" | "less";
  readonly needs: readonly Ability[];
  /** Only subjects on one of these servers can do it. */
  readonly servers?: readonly ServerKind[];
  /** Runs only with --all or by its name: it takes long. */
  readonly long?: true;
  /** Peers are left out: it compares a subject with itself. */
  readonly oursOnly?: true;
  /** Runs from compiled code: its memory is what a user's process takes. */
  readonly compiled?: true;
  /** Its worker processes have drained so many jobs before, times the scale; absent: they start cold. */
  readonly warmJobs?: number;
  play(stage: Stage): Promise<Measure>;
}
