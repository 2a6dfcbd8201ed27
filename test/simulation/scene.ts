// One step of the store as the checks see it: the call, its answer, and each job before and after.
import type { JobId } from "../../src/core/id.ts";
import type { Job } from "../../src/core/job.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Picture } from "./picture.ts";
import type { Runs } from "./runs.ts";
import type { Call } from "./wire.ts";

/** Promises that the simulation watches. */
export type PromiseId = "J1" | "J2" | "J3" | "J4" | "J15" | "S2" | "T2" | "T3";

export interface Change<Item> {
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

/** What a worker process has been through, as far as its promises depend on it. */
export interface Life {
  readonly state: "running" | "stopped" | "ended";
  /** When it was last paused, cut off or badly served, in the store's time. */
  readonly troubledAt: number;
  /** When it last came out of a pause, in the store's time. */
  readonly resumedAt: number;
}

export interface Scene {
  readonly call: Call;
  readonly now: number;
  /** After the step. */
  readonly picture: Picture;
  readonly jobs: ReadonlyMap<JobId, Change<Job>>;
  readonly schedules: ReadonlyMap<string, Change<Schedule>>;
  readonly runs: Runs;
  /** The id of each tick's job, even when the store has forgotten it. */
  readonly tickIds: Map<string, JobId>;
  /** When the store last went back in time, in the store's time. */
  readonly wentBackAt: number;
  /** So long after that workers may begin what they hold by leases that the store has forgotten. */
  readonly forgetsUntil: number;
  before(id: JobId): Job | undefined;
  lifeOf(worker: string): Life | undefined;
  shortOf(id: string): string;
  /** A promise is broken. */
  broken(promise: PromiseId, how: string): void;
  count(what: string, times?: number): void;
}
