// What a decision over due schedules is given, and the step it makes of each.
import type { SkippedTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import type { NewEvent } from "./events.ts";
import type { LimitHit } from "./guardrails.ts";
import type { JobId } from "./id.ts";
import type { NewJob } from "./job.ts";
import type { HeldTick, Schedule, Unfinished } from "./schedule.ts";

/** A schedule whose next tick has come, with what its overlap policy looks at. */
export interface DueSchedule {
  readonly schedule: Schedule;
  /** Its unfinished jobs, of this incarnation only; left empty for overlap `allow`, which does not look. */
  readonly unfinished: readonly Unfinished[];
  /**
   * How many jobs more its tenant may have unfinished, negative where there are more than may be; no limit when absent.
   * The same for all of one tenant: a decision shares it among them.
   */
  readonly room?: number;
  /** The limit that leaves this room. */
  readonly maxPendingJobs?: number;
}

/** A tick that became a job. */
export interface FiredTick {
  readonly tick: Millis;
  readonly job: JobId;
  readonly dueAt: Millis;
  /** An operator's trigger made it, and who that was, as far as it is known. */
  readonly trigger?: { readonly actor?: string | undefined };
  /** An operator's backfill made it. */
  readonly backfill?: { readonly actor?: string | undefined };
}

/** What one decision does to one schedule. Applied whole, or not at all when the stored schedule has moved on. */
export interface FireStep {
  /** As decided upon: a commit compares its incarnation, revision and cursor with what is stored. */
  readonly from: Schedule;
  /** The schedule afterwards. */
  readonly to: Schedule;
  readonly insert: readonly NewJob[];
  /** Unfinished jobs that make room: pending ones end, active ones are asked to. */
  readonly cancel: readonly JobId[];
  readonly fired: readonly FiredTick[];
  readonly skipped: readonly SkippedTicks[];
  readonly held?: HeldTick;
  /** Why the schedule could not be evaluated and is now disabled. */
  readonly disabledReason?: string;
  readonly events: readonly NewEvent[];
  /**
   * The job of a trigger, or the first of a backfill's step. Where it is stored already the operation has taken effect
   * before: the step changes nothing.
   */
  readonly operationJob?: JobId;
  /**
   * An operation for which its tenant has no room: a store throws `limitError` and changes nothing, unless the operation
   * has taken effect before. What it would have fired is answered then.
   */
  readonly refused?: LimitHit;
}

/** A step that changes nothing. */
export function unchanged(schedule: Schedule): FireStep {
  return { from: schedule, to: schedule, insert: [], cancel: [], fired: [], skipped: [], events: [] };
}

/** A decision over due schedules: `decideFiring` for ticks, those of operations.ts for an operator. */
export type Decide = (due: readonly DueSchedule[], now: Millis) => readonly FireStep[];
