// The contract of what is measured: an engine of ours, or a peer. A file in bench/engines or bench/peers exports one
// `subject`; nothing else has to know of it.
import type { ServerKind } from "./server.ts";

/** What a subject can do; a workload runs on the subjects that can do all it needs. */
export type Ability =
  /** One job at a time. */
  | "enqueue"
  /** Many jobs in one call. */
  | "bulk"
  /** Jobs with a due time. */
  | "due"
  /** Running jobs and counting what became of them. */
  | "work"
  /** Recurring rules, each tick handled. */
  | "schedules"
  /** Thousands of recurring rules in one process. */
  | "many-schedules"
  /** Several processes on one store. */
  | "processes"
  /** A reader's snapshot held open beside the workers. */
  | "snapshot";

/** A setting of the subject: as it comes, or the best found for it by hand. Ours are measured as they come. */
export type Config = "default" | "best";

/** A bound of a figure; `of` is the result's value unless it names p50, p99 or a figure of the workload. */
export interface Bound {
  readonly of?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** The bound is a share of what the same subject reached in this workload of the same run. */
  readonly timesOwn?: string;
  /** The bound is a share of what this peer reached in the same workload of the same run. */
  readonly timesPeer?: PeerSetting;
}

/** A peer in one of its settings; without `config`, in the one that did better. */
export interface PeerSetting {
  readonly name: string;
  readonly config?: Config;
}

/** What an engine is to reach: the goals, and the floor below which the work is not done. */
export interface Target {
  readonly goals: readonly Bound[];
  readonly floors?: readonly Bound[];
}

/** Where a subject is slower or coarser than the workloads are made for. They are fitted to it, so that it is measured
 * and not waited for. */
export interface Pace {
  /** The share that it gets of the jobs of workloads which run them: rates and latencies stay comparable. */
  readonly jobsShare?: number;
  /** Time between two jobs of the start latency, in ms: longer than it needs for one. */
  readonly gapMs?: readonly [least: number, most: number];
  /** The shortest interval of its recurring rules, in ms. */
  readonly tickMs?: number;
  /** How late the last handler of a tick may begin, in ms. */
  readonly tickPatienceMs?: number;
  /** How long registering 10,000 rules takes at most, in ms. */
  readonly registerMs?: number;
  /** How many rules are given to it in one call; 1,000 unless it says. */
  readonly registerSize?: number;
  /** Multiplies the number of rules that are registered to be weighed: what one of them takes stays comparable. */
  readonly rulesShare?: number;
}

export interface Subject {
  readonly name: string;
  /** Whether a killed process loses no job: only the like is compared. */
  readonly durable: boolean;
  readonly abilities: readonly Ability[];
  readonly configs: readonly Config[];
  /** Names of the workloads that it is measured in; all that it is able to do unless it says. */
  readonly only?: readonly string[];
  /** The package under bench/peers/node_modules that it needs. */
  readonly package?: string;
  /** The server that its store is on. */
  readonly server?: ServerKind;
  readonly paces?: Readonly<Partial<Record<Config, Pace>>>;
  /** By workload name. */
  readonly targets?: Readonly<Record<string, Target>>;
  open(options: OpenOptions): Promise<Session>;
}

export interface OpenOptions {
  /** A folder of this run; what lies in it is shared by the run's processes and removed afterwards. */
  readonly folder: string;
  readonly config: Config;
  /** An empty store of the server that the subject needs; shared by the run's processes. */
  readonly url?: string;
}

/** A job to enqueue. */
export interface Item {
  readonly sequence: number;
  /** Epoch milliseconds; absent means now. */
  readonly dueAt?: number;
}

/** A recurring rule to register: six cron fields, UTC. */
export interface Plan {
  readonly sequence: number;
  readonly cron: string;
}

/** What the store says. */
export interface Tally {
  /** Jobs completed since the beginning; absent where the store forgets them. */
  readonly completed?: number;
  /** Jobs that wait (due or not) or run. */
  readonly unfinished: number;
}

/** Called first thing in every handler; `tickAt` (epoch ms) is the nominal tick where the subject tells it. */
export type OnJob = (sequence: number, tickAt?: number) => void;

/** An open subject in one process. A method may be absent when the subject lacks its ability. */
export interface Session {
  enqueue?(item: Item): Promise<unknown>;
  enqueueMany?(items: readonly Item[]): Promise<unknown>;
  /** Starts what runs jobs and fires ticks. */
  work?(onJob: OnJob): Promise<unknown>;
  schedule?(plans: readonly Plan[]): Promise<unknown>;
  countSchedules?(): Promise<number>;
  tally?(): Promise<Tally>;
  /** Opens a read snapshot and answers with what ends it. */
  holdSnapshot?(): Promise<() => unknown>;
  close(): Promise<unknown>;
}
