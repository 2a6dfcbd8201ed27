// What people are shown of stored things: dates for instants, values for JSON texts, `waiting` and `delayed`.
import type { Millis } from "../core/clock.ts";
import { type AttemptRecord, type EndCause, type Job, type ShownState, shownState } from "../core/job.ts";
import { decodePayload } from "../core/payload.ts";
import type { Rule } from "../core/rule.ts";
import type { CatchUp, OverlapPolicy, Schedule } from "../core/schedule.ts";

/** A job as users see it. */
export interface JobView {
  readonly id: string;
  readonly tenant: string;
  readonly queue: string;
  readonly task: string;
  readonly input: unknown;
  readonly state: ShownState;
  readonly priority: number;
  readonly dueAt: Date;
  readonly createdAt: Date;
  readonly attempt: number;
  readonly failures: number;
  readonly key?: string;
  /** It waits for the key's current job to end. */
  readonly successor?: true;
  readonly schedule?: { readonly id: string; readonly tick: Date; readonly missed: number };
  readonly metadata?: unknown;
  readonly worker?: string;
  readonly leaseUntil?: Date;
  readonly cancelRequested?: true;
  readonly progress?: number;
  readonly output?: unknown;
  readonly finishedAt?: Date;
  readonly endCause?: EndCause;
  /** Why it failed or was cancelled, or why its last attempt failed. */
  readonly reason?: string;
  readonly attempts: readonly AttemptView[];
  readonly log: readonly { readonly at: Date; readonly attempt: number; readonly text: string }[];
}

/** An attempt as users see it. */
export type AttemptView = Omit<AttemptRecord, "startedAt" | "endedAt"> & {
  readonly startedAt: Date;
  readonly endedAt?: Date;
};

/** Shows a job as it is at `now`. */
export function viewJob(job: Job, now: Millis): JobView {
  const finished = job.finishedAt !== undefined;
  return {
    id: job.id,
    tenant: job.tenant,
    queue: job.queue,
    task: job.task,
    input: decodePayload(job.input),
    state: shownState(job, now),
    priority: job.priority,
    dueAt: new Date(job.dueAt),
    createdAt: new Date(job.createdAt),
    attempt: job.attempt,
    failures: job.failures,
    ...(job.key === undefined ? {} : { key: job.key }),
    ...(job.successor === true ? { successor: true } : {}),
    ...(job.schedule === undefined
      ? {}
      : { schedule: { id: job.schedule.id, tick: new Date(job.schedule.tick), missed: job.schedule.missed } }),
    ...(job.metadata === undefined ? {} : { metadata: decodePayload(job.metadata) }),
    ...(job.worker === undefined || finished ? {} : { worker: job.worker }),
    ...(job.leaseUntil === undefined || finished ? {} : { leaseUntil: new Date(job.leaseUntil) }),
    ...(job.cancelRequested === true && !finished ? { cancelRequested: true } : {}),
    ...(job.progress === undefined ? {} : { progress: job.progress }),
    ...(job.output === undefined ? {} : { output: decodePayload(job.output) }),
    ...(job.finishedAt === undefined ? {} : { finishedAt: new Date(job.finishedAt) }),
    ...(job.endCause === undefined ? {} : { endCause: job.endCause }),
    ...(job.reason === undefined ? {} : { reason: job.reason }),
    attempts: job.attempts.map(({ startedAt, endedAt, ...rest }) => ({
      ...rest,
      startedAt: new Date(startedAt),
      ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt) }),
    })),
    log: job.log.map((line) => ({ ...line, at: new Date(line.at) })),
  };
}

/** A schedule as users see it. */
export interface ScheduleView {
  readonly id: string;
  readonly tenant: string;
  readonly name?: string;
  readonly task: string;
  readonly queue: string;
  readonly input: unknown;
  readonly metadata?: unknown;
  readonly when: Rule;
  readonly priority: number;
  readonly attempts?: number;
  readonly jitterMs: number;
  readonly overlap: OverlapPolicy;
  readonly catchUp: CatchUp;
  readonly startAt?: Date;
  readonly endAt?: Date;
  readonly maxTicks?: number;
  readonly pauseOnFailure?: number;
  readonly enabled: boolean;
  readonly disabledReason?: string;
  /** Pass it to `update` so that a change made meanwhile is not overwritten. */
  readonly revision: number;
  /** The next tick, before jitter; absent when there is none or it is disabled. */
  readonly nextAt?: Date;
  readonly lastTick?: Date;
  readonly lastFiredAt?: Date;
  readonly lastCompletedAt?: Date;
  /** A tick that waits for the unfinished job to end. */
  readonly heldTick?: Date;
  readonly ticksFired: number;
  readonly failuresInRow: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Shows a schedule. */
export function viewSchedule(schedule: Schedule): ScheduleView {
  const { definition } = schedule;
  const date = <Name extends string>(name: Name, at: Millis | undefined) =>
    (at === undefined ? {} : { [name]: new Date(at) }) as { readonly [key in Name]?: Date };
  return {
    id: schedule.id,
    tenant: schedule.tenant,
    ...(definition.name === undefined ? {} : { name: definition.name }),
    task: definition.task,
    queue: definition.queue,
    input: decodePayload(definition.input),
    ...(definition.metadata === undefined ? {} : { metadata: decodePayload(definition.metadata) }),
    when: definition.rule,
    priority: definition.priority,
    ...(definition.attemptsMax === undefined ? {} : { attempts: definition.attemptsMax }),
    jitterMs: definition.jitterMs,
    overlap: definition.overlap,
    catchUp: definition.catchUp,
    ...date("startAt", definition.startAt),
    ...date("endAt", definition.endAt),
    ...(definition.maxTicks === undefined ? {} : { maxTicks: definition.maxTicks }),
    ...(definition.pauseOnFailure === undefined ? {} : { pauseOnFailure: definition.pauseOnFailure }),
    enabled: schedule.enabled,
    ...(schedule.disabledReason === undefined ? {} : { disabledReason: schedule.disabledReason }),
    revision: schedule.revision,
    ...date("nextAt", schedule.cursor.nextAt),
    ...date("lastTick", schedule.lastTick),
    ...date("lastFiredAt", schedule.lastFiredAt),
    ...date("lastCompletedAt", schedule.lastCompletedAt),
    ...date("heldTick", schedule.held?.tick),
    ticksFired: schedule.ticksFired,
    failuresInRow: schedule.failuresInRow,
    createdAt: new Date(schedule.createdAt),
    updatedAt: new Date(schedule.updatedAt),
  };
}
