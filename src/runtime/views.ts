// What people are shown of stored things: dates for instants, values for JSON texts, `waiting` and `delayed`.
import type { Millis } from "../core/clock.ts";
import { type AttemptRecord, type EndCause, type Job, type ShownState, shownState } from "../core/job.ts";
import { decodePayload } from "../core/payload.ts";
import type { Rule } from "../core/rule.ts";
import type { CatchUp, OverlapPolicy, Schedule, ScheduleDefinition } from "../core/schedule.ts";

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
  /** Attempts in all, where the job says it itself; else its task's policy decides. */
  readonly attemptsMax?: number;
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
    ...(job.attemptsMax === undefined ? {} : { attemptsMax: job.attemptsMax }),
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

/** The part of a schedule that users define. */
export interface DefinitionView {
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
}

/** A schedule as users see it. */
export interface ScheduleView extends DefinitionView {
  readonly id: string;
  readonly tenant: string;
  readonly enabled: boolean;
  readonly disabledReason?: string;
  /** Pass it to `update` so that a change made meanwhile is not overwritten. */
  readonly revision: number;
  /** New when a removed schedule is created again, whose revisions begin anew; pass it to `update` too. */
  readonly incarnation: string;
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
  return {
    id: schedule.id,
    tenant: schedule.tenant,
    ...(viewDefinition(schedule.definition) as DefinitionView),
    enabled: schedule.enabled,
    ...(schedule.disabledReason === undefined ? {} : { disabledReason: schedule.disabledReason }),
    revision: schedule.revision,
    incarnation: schedule.incarnation,
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

/** Shows what there is of a definition: the audit log's may lack its longest parts. */
export function viewDefinition(definition: Partial<ScheduleDefinition>): Partial<DefinitionView> {
  const { input, metadata, rule, attemptsMax, startAt, endAt, ...same } = definition;
  return {
    ...present(same),
    ...(input === undefined ? {} : { input: decodePayload(input) }),
    ...(metadata === undefined ? {} : { metadata: decodePayload(metadata) }),
    ...(rule === undefined ? {} : { when: rule }),
    ...(attemptsMax === undefined ? {} : { attempts: attemptsMax }),
    ...date("startAt", startAt),
    ...date("endAt", endAt),
  };
}

function present<T extends object>(members: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}

function date<Name extends string>(name: Name, at: Millis | undefined): { readonly [key in Name]?: Date } {
  return (at === undefined ? {} : { [name]: new Date(at) }) as { readonly [key in Name]?: Date };
}
