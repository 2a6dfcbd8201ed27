// Firing, as a pure decision: (schedule, now, its unfinished jobs) -> next cursor, jobs to insert, what was skipped
// and why. Engines apply a step in one atomic write that compares incarnation, revision and cursor.
import { dueTicks, type SkippedTicks, type SkipReason } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import type { NewEvent } from "./events.ts";
import { type JobId, operationJobId, tickJobId } from "./id.ts";
import type { NewJob } from "./job.ts";
import { overlapGate } from "./overlap.ts";
import {
  advance,
  type EndedJob,
  type HeldTick,
  nextTickOf,
  type Schedule,
  type Unfinished,
  withoutNext,
} from "./schedule.ts";
import { jitterOffsetMs, seedOf } from "./tick.ts";

/** A schedule whose next tick has come, with what its overlap policy looks at. */
export interface DueSchedule {
  readonly schedule: Schedule;
  /** Its unfinished jobs, of this incarnation only; left empty for overlap `allow`, which does not look. */
  readonly unfinished: readonly Unfinished[];
}

/** A tick that became a job. */
export interface FiredTick {
  readonly tick: Millis;
  readonly job: JobId;
  readonly dueAt: Millis;
  /** An operator's trigger made it, and who that was, as far as it is known. */
  readonly trigger?: { readonly actor?: string | undefined };
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
  /** The job of a trigger. Where it is stored already the trigger has taken effect before: the step changes nothing. */
  readonly operationJob?: JobId;
}

/** A decision over due schedules: `decideFiring` for ticks, `decideTrigger(...)` for an operator. */
export type Decide = (due: readonly DueSchedule[], now: Millis) => readonly FireStep[];

/** Fires what is due. A schedule that cannot be evaluated is disabled with the reason; its neighbours fire (S8). */
export const decideFiring: Decide = (due, now) => due.map((one) => fireOne(one, now));

function fireOne(due: DueSchedule, now: Millis): FireStep {
  const { schedule } = due;
  try {
    checkReadable(schedule);
    if (!schedule.enabled) return finish(new Draft(due), withoutNext(schedule), now);
    const { ticks, late, after } = dueTicks(schedule, now);
    const draft = new Draft(due);
    draft.releaseOrphan(now);
    if (late !== undefined) draft.skip(late);
    let position = schedule.cursor.after;
    for (const tick of ticks) {
      if (reachedMax(draft.schedule)) break;
      draft.pass({ tick, dueAt: tick + offsetMs(schedule, tick), missed: draft.schedule.missed });
      position = tick;
    }
    return finish(draft, advance(draft.schedule, reachedMax(draft.schedule) ? position : after), now);
  } catch (error) {
    return disableBroken(due, error, now);
  }
}

/** @throws when the stored definition lacks what its jobs are made of: a bad restore, or another version's data. */
function checkReadable({ definition }: Schedule): void {
  for (const name of ["task", "queue", "input"] as const) {
    if (typeof definition[name] !== "string") throw new Error(`its definition has no ${name}`);
  }
  if (typeof definition.priority !== "number") throw new Error("its definition has no priority");
}

function reachedMax(schedule: Schedule): boolean {
  const { maxTicks } = schedule.definition;
  return maxTicks !== undefined && schedule.ticksFired >= maxTicks;
}

/** The jitter of a tick: the schedule's own share, cut at the next tick (S3). */
export function offsetMs(schedule: Schedule, tick: Millis): number {
  const { jitterMs } = schedule.definition;
  if (jitterMs === 0) return 0;
  const next = nextTickOf(schedule, tick);
  const gapMs = next === undefined ? Number.POSITIVE_INFINITY : next - tick;
  return jitterOffsetMs(seedOf(schedule.tenant, schedule.id), jitterMs, gapMs);
}

/** An operator's trigger: now, or for a stated nominal tick, through the same overlap gate; the cursor stays. */
export function decideTrigger(operation: string, tick?: Millis, actor?: string): Decide {
  return (due, now) =>
    due.map((one) => {
      const done = repeatedTrigger(one, operation, tick ?? now, now);
      if (done !== undefined) return done;
      const draft = new Draft(one);
      draft.pass({ tick: tick ?? now, dueAt: now, missed: draft.schedule.missed, operation, actor });
      const { tenant, incarnation, ticksFired, lastTick, missed } = one.schedule;
      const step = finish(draft, { ...draft.schedule, ticksFired, missed, lastTick }, now);
      return { ...step, operationJob: operationJobId(tenant, incarnation, operation) };
    });
}

/** J15: a trigger made again after a lost answer finds what it did, and is not stopped or undone by its own job. */
function repeatedTrigger(
  { schedule, unfinished }: DueSchedule,
  operation: string,
  tick: Millis,
  now: Millis,
): FireStep | undefined {
  const nothing = { from: schedule, to: schedule, insert: [], cancel: [], fired: [], skipped: [], events: [] };
  if (schedule.held?.operation === operation) return { ...nothing, held: schedule.held };
  const job = operationJobId(schedule.tenant, schedule.incarnation, operation);
  if (!unfinished.some(({ id }) => id === job)) return undefined;
  return { ...nothing, fired: [{ tick, job, dueAt: now }] };
}

/** Collects one schedule's step while its ticks pass the gate one after another. */
class Draft {
  readonly from: Schedule;
  schedule: Schedule;
  unfinished: readonly Unfinished[];
  insert: NewJob[] = [];
  cancel: JobId[] = [];
  fired: FiredTick[] = [];
  skipped: SkippedTicks[] = [];

  constructor({ schedule, unfinished }: DueSchedule) {
    this.from = schedule;
    this.schedule = schedule;
    this.unfinished = unfinished;
  }

  pass(held: HeldTick): void {
    const { overlap } = this.schedule.definition;
    const gate = overlapGate(overlap, this.unfinished, this.schedule.held !== undefined);
    if (gate === "skip") {
      this.skip(oneTick(held.tick, "overlap"));
      return;
    }
    if (overlap === "replace") this.#makeRoom();
    if (gate === "hold") {
      if (this.schedule.held !== undefined) this.skip(oneTick(this.schedule.held.tick, "overlap"));
      this.schedule = { ...this.schedule, held };
      return;
    }
    // The tick that was held makes room for this one; where both may be, it goes on waiting.
    if (overlap === "replace") this.#dropHeld();
    const job = jobOf(this.schedule, held);
    this.insert.push(job);
    this.fired.push(firedTick(held, job.id));
    // A trigger that was held is no tick of the rule.
    if (held.operation === undefined) this.schedule = countFired(this.schedule, held);
    if (overlap !== "allow") this.unfinished = [...this.unfinished, { id: job.id, state: "pending" }];
  }

  /** A tick still held though nothing is unfinished (its job vanished with a restored backup, say) fires now. */
  releaseOrphan(now: Millis): void {
    const { held } = this.schedule;
    if (held === undefined || this.unfinished.length > 0) return;
    this.schedule = withoutHeld(this.schedule);
    this.pass({ ...held, dueAt: Math.max(held.dueAt, now) });
  }

  skip(run: SkippedTicks): void {
    const last = this.skipped.at(-1);
    const joined = last?.reason === run.reason && run.from >= last.to;
    if (last !== undefined && joined) {
      this.skipped[this.skipped.length - 1] = { ...last, to: run.to, count: last.count + run.count };
    } else this.skipped.push(run);
    this.schedule = { ...this.schedule, missed: this.schedule.missed + run.count };
  }

  #dropHeld(): void {
    const { held } = this.schedule;
    if (held === undefined) return;
    this.skip(oneTick(held.tick, "overlap"));
    this.schedule = withoutHeld(this.schedule);
  }

  #makeRoom(): void {
    const ownTicks = new Map(this.fired.map((fired) => [fired.job, fired.tick]));
    for (const { id } of this.unfinished) {
      const tick = ownTicks.get(id);
      if (tick === undefined) this.cancel.push(id);
      else {
        // It was to be inserted by this very step: it simply is not.
        this.insert = this.insert.filter((job) => job.id !== id);
        this.fired = this.fired.filter((fired) => fired.job !== id);
        this.schedule = { ...this.schedule, ticksFired: this.schedule.ticksFired - 1 };
        this.skip(oneTick(tick, "overlap"));
      }
    }
    this.unfinished = this.unfinished.filter((job) => job.state === "active");
  }
}

function finish(draft: Draft, to: Schedule, now: Millis): FireStep {
  const { from, insert, fired, skipped } = draft;
  const stamped = fired.length === 0 ? to : { ...to, lastFiredAt: now };
  const cancel = [...new Set(draft.cancel)];
  const held = stamped.held !== from.held ? stamped.held : undefined;
  return {
    from,
    to: stamped,
    insert,
    cancel,
    fired,
    skipped,
    ...(held === undefined ? {} : { held }),
    events: stepEvents(from, fired, skipped, now),
  };
}

function stepEvents(
  schedule: Schedule,
  fired: readonly FiredTick[],
  skipped: readonly SkippedTicks[],
  now: Millis,
): NewEvent[] {
  const about = { tenant: schedule.tenant, schedule: schedule.id, queue: schedule.definition.queue, at: now };
  return [
    ...skipped.map((run): NewEvent => ({ ...about, type: "tick:skipped", data: { ...run } })),
    ...fired.map(
      ({ tick, job, dueAt, trigger }): NewEvent => ({
        ...about,
        type: "tick:fired",
        job,
        actor: trigger?.actor,
        data: { tick, dueAt, latenessMs: now - tick, ...(trigger === undefined ? {} : { trigger: true }) },
      }),
    ),
  ];
}

function firedTick({ tick, dueAt, operation, actor }: HeldTick, job: JobId): FiredTick {
  return { tick, job, dueAt, ...(operation === undefined ? {} : { trigger: { actor } }) };
}

function oneTick(tick: Millis, reason: SkipReason): SkippedTicks {
  return { from: tick, to: tick, count: 1, reason };
}

function countFired(schedule: Schedule, { tick }: HeldTick): Schedule {
  return { ...schedule, ticksFired: schedule.ticksFired + 1, lastTick: tick, missed: 0 };
}

function withoutHeld(schedule: Schedule): Schedule {
  const { held: _, ...rest } = schedule;
  return rest;
}

function jobOf(schedule: Schedule, held: HeldTick): NewJob {
  const { definition, tenant, id, incarnation } = schedule;
  return {
    id:
      held.operation === undefined
        ? tickJobId(tenant, incarnation, held.tick)
        : operationJobId(tenant, incarnation, held.operation),
    tenant,
    queue: definition.queue,
    task: definition.task,
    input: definition.input,
    priority: definition.priority,
    due: { at: held.dueAt },
    attemptsMax: definition.attemptsMax,
    metadata: definition.metadata,
    schedule: { id, incarnation, tick: held.tick, missed: held.missed },
  };
}

function disableBroken(due: DueSchedule, error: unknown, now: Millis): FireStep {
  const { schedule } = due;
  const reason = `it cannot be evaluated: ${error instanceof Error ? error.message : String(error)}`;
  const { held: _, ...rest } = schedule;
  const to = withoutNext({
    ...rest,
    enabled: false,
    disabledReason: reason,
    revision: schedule.revision + 1,
    updatedAt: now,
  });
  return {
    from: schedule,
    to,
    insert: [],
    cancel: [],
    fired: [],
    skipped: [],
    disabledReason: reason,
    events: [{ type: "schedule:disabled", tenant: schedule.tenant, schedule: schedule.id, at: now, data: { reason } }],
  };
}

/** What the end of a schedule's job does to the schedule. */
export interface AfterEnd {
  readonly schedule: Schedule;
  readonly insert: readonly NewJob[];
  readonly events: readonly NewEvent[];
}

/**
 * The end of a job, as its schedule sees it, in the same step (S5, S9): the last completion and failures in a row are
 * counted, a schedule that fails too often is paused, and a held tick gets its job once nothing is unfinished.
 * A job of an earlier incarnation changes nothing.
 */
export function afterJobEnd(
  schedule: Schedule,
  ended: EndedJob,
  unfinishedLeft: number,
  now: Millis,
): AfterEnd | undefined {
  if (ended.incarnation !== schedule.incarnation) return undefined;
  const counted = countEnd(schedule, ended, now);
  const { pauseOnFailure } = schedule.definition;
  const tooMany = pauseOnFailure !== undefined && counted.failuresInRow >= pauseOnFailure;
  if (counted.enabled && ended.state === "failed" && tooMany) {
    return pauseAfterFailures(counted, now);
  }
  const { held } = counted;
  if (held === undefined || unfinishedLeft > 0) return { schedule: counted, insert: [], events: [] };
  const due: HeldTick = { ...held, dueAt: Math.max(held.dueAt, now) };
  const released = withoutHeld(counted);
  const job = jobOf(released, due);
  const fired = firedTick(due, job.id);
  return {
    schedule: { ...(held.operation === undefined ? countFired(released, due) : released), lastFiredAt: now },
    insert: [job],
    events: stepEvents(counted, [fired], [], now),
  };
}

function countEnd(schedule: Schedule, ended: EndedJob, now: Millis): Schedule {
  if (ended.state === "completed") return { ...schedule, lastCompletedAt: now, failuresInRow: 0 };
  return ended.state === "failed" ? { ...schedule, failuresInRow: schedule.failuresInRow + 1 } : schedule;
}

function pauseAfterFailures(schedule: Schedule, now: Millis): AfterEnd {
  const reason = `${schedule.failuresInRow} jobs in a row have failed`;
  const { held, ...rest } = schedule;
  const skipped = held === undefined ? [] : [oneTick(held.tick, "disabled")];
  const about = { tenant: schedule.tenant, schedule: schedule.id, at: now };
  return {
    schedule: withoutNext({
      ...rest,
      enabled: false,
      disabledReason: reason,
      revision: schedule.revision + 1,
      updatedAt: now,
      missed: schedule.missed + skipped.length,
    }),
    insert: [],
    events: [{ ...about, type: "schedule:paused", data: { reason } }, ...stepEvents(schedule, [], skipped, now)],
  };
}
