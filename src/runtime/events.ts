// The events of this process, by name and payload.
import type { SkippedTicks } from "../core/catch-up.ts";
import type { ErrorRecord } from "../core/job.ts";

/** What every job event says. */
export interface JobEvent {
  readonly id: string;
  readonly tenant: string;
  readonly queue: string;
  readonly task: string;
  readonly attempt: number;
  /** The tick that made the job, if one did. */
  readonly schedule?: { readonly id: string; readonly tick: Date };
}

/** What a schedule event says. */
export interface ScheduleEvent {
  readonly id: string;
  readonly tenant: string;
}

/** The names of the events, for callers whom no compiler keeps from a slip. */
export const eventNames: readonly (keyof SchedulerEvents)[] = [
  "job:scheduled",
  "job:started",
  "job:completed",
  "job:retrying",
  "job:failed",
  "job:cancelled",
  "job:lease-lost",
  "job:unknown-task",
  "tick:fired",
  "tick:skipped",
  "schedule:created",
  "schedule:updated",
  "schedule:removed",
  "schedule:enabled",
  "schedule:disabled",
  "schedule:paused",
  "schedule:retimed",
  "worker:error",
];

/** The events of `scheduler.on`. They tell of what this process did; other processes tell their own. */
export interface SchedulerEvents {
  "job:scheduled": Omit<JobEvent, "attempt"> & {
    readonly dueAt: Date;
    readonly outcome: "created" | "existing" | "replaced";
  };
  "job:started": JobEvent & { readonly delayMs: number };
  "job:completed": JobEvent & { readonly durationMs: number };
  "job:retrying": JobEvent & { readonly error: ErrorRecord | undefined; readonly retryAt: Date };
  /** Once per job, after its last attempt. */
  "job:failed": JobEvent & { readonly error: ErrorRecord | undefined; readonly reason: string };
  "job:cancelled": JobEvent;
  /** The attempt no longer holds the job: whatever it did counts as no success. */
  "job:lease-lost": JobEvent;
  "job:unknown-task": JobEvent;
  "tick:fired": ScheduleEvent & {
    readonly tick: Date;
    readonly job: string;
    readonly dueAt: Date;
    /** How long after the tick it was fired, in ms. */
    readonly latenessMs: number;
  };
  "tick:skipped": ScheduleEvent & Omit<SkippedTicks, "from" | "to"> & { readonly from: Date; readonly to: Date };
  "schedule:created": ScheduleEvent;
  "schedule:updated": ScheduleEvent;
  "schedule:removed": ScheduleEvent;
  "schedule:enabled": ScheduleEvent;
  "schedule:disabled": ScheduleEvent & { readonly reason?: string };
  /** Paused by `pauseOnFailure`. */
  "schedule:paused": ScheduleEvent;
  /** Its next tick was computed anew: the time zone data changed. */
  "schedule:retimed": ScheduleEvent & { readonly before?: Date; readonly after?: Date };
  /** Something failed that no caller waits for: the store, a listener, a blocked event loop. */
  "worker:error": { readonly error: unknown; readonly where: string };
}
