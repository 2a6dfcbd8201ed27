// What operators ask of a schedule beside its ticks, as pure decisions: a trigger now, a backfill of ticks that were.
// Both pass the overlap gate, count for no tick of the rule, and leave the cursor alone.
import { oneTick, replacedRun } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { Draft } from "./draft.ts";
import { limitError } from "./guardrails.ts";
import { operationJobId } from "./id.ts";
import { nextTickOfRule, type OverlapPolicy, type Schedule } from "./schedule.ts";
import { type Decide, type DueSchedule, type FireStep, unchanged } from "./step.ts";

/**
 * An operator's trigger: now, or for a stated nominal tick, through the same overlap gate; the cursor stays.
 * The step is marked as refused when the tenant has no room for the job.
 */
export function decideTrigger(operation: string, tick?: Millis, actor?: string): Decide {
  return (due, now) =>
    due.map((one) => {
      const done = repeatedTrigger(one, operation, tick ?? now, now);
      if (done !== undefined) return done;
      const draft = new Draft(one, { refusesWithoutRoom: true });
      draft.pass({ tick: tick ?? now, dueAt: now, operation, actor });
      const { tenant, incarnation } = one.schedule;
      const operationJob = operationJobId(tenant, incarnation, operation);
      return { ...draft.finish(draft.schedule, now, actor), operationJob };
    });
}

/** J15: a trigger made again after a lost answer finds what it did, and is not stopped or undone by its own job. */
function repeatedTrigger(
  { schedule, unfinished }: DueSchedule,
  operation: string,
  tick: Millis,
  now: Millis,
): FireStep | undefined {
  if (schedule.held?.operation === operation) return { ...unchanged(schedule), held: schedule.held };
  const job = operationJobId(schedule.tenant, schedule.incarnation, operation);
  if (!unfinished.some(({ id }) => id === job)) return undefined;
  return { ...unchanged(schedule), fired: [{ tick, job, dueAt: now }] };
}

/** Some ticks of a schedule to be made again, in one atomic step. */
export interface Backfill {
  /** Minted by the caller: jobs' ids derive from it and their tick, so that a repeat finds its own. */
  readonly operation: string;
  /** Another incarnation of the schedule is left alone. */
  readonly incarnation: string;
  /** In order; those that the rule does not have (any more), or that are to come, are left out. */
  readonly ticks: readonly Millis[];
  readonly overlap: OverlapPolicy;
  /** The first job is due no sooner, and now at the soonest. */
  readonly dueFrom?: Millis | undefined;
  /** Between the due times of two jobs, in ms; 0 by default. */
  readonly spacingMs?: number | undefined;
  /** Of the jobs; the schedule's own by default. */
  readonly priority?: number | undefined;
  readonly actor?: string | undefined;
}

/** A backfill (S10). The step is marked as refused when the tenant has no room for all its jobs. */
export function decideBackfill(backfill: Backfill): Decide {
  return (due, now) =>
    due.flatMap((one) =>
      one.schedule.incarnation === backfill.incarnation ? [backfillOf(one, backfill, now).step] : [],
    );
}

/**
 * The steps of a whole backfill as they would be made now, one after another: what a dry run answers.
 * @throws LimitExceededError
 */
export function planBackfill(due: DueSchedule, backfill: Backfill, now: Millis): readonly FireStep[] {
  const steps: FireStep[] = [];
  let standing = due;
  for (const part of backfillParts(backfill)) {
    const { step, after } = backfillOf(standing, { ...part, dueFrom: dueAfter(steps, backfill) }, now);
    steps.push(step);
    standing = after;
  }
  const refused = steps.findLast((step) => step.refused !== undefined)?.refused;
  if (refused !== undefined) throw limitError(refused, due.schedule.tenant);
  return steps;
}

/**
 * A backfill in parts, each one step. Where every tick may become a job a part has so many ticks as one step of `fire`
 * may; else one job is made and one tick held at most, and one part has them all.
 */
export function backfillParts(backfill: Backfill): readonly Backfill[] {
  const { ticks, overlap } = backfill;
  const size = overlap === "allow" ? defaults.ticksPerStepMax : Math.max(1, ticks.length);
  return Array.from({ length: Math.ceil(ticks.length / size) }, (_, part) => ({
    ...backfill,
    ticks: ticks.slice(part * size, (part + 1) * size),
  }));
}

/** When the first job of the next part is due, after those of the parts before. */
export function dueAfter(
  steps: readonly Pick<FireStep, "fired">[],
  { dueFrom, spacingMs = 0 }: Backfill,
): Millis | undefined {
  const last = steps.findLast(({ fired }) => fired.length > 0)?.fired.at(-1);
  return last === undefined ? dueFrom : Math.ceil(last.dueAt + spacingMs);
}

function backfillOf(
  due: DueSchedule,
  backfill: Backfill,
  now: Millis,
): { readonly step: FireStep; readonly after: DueSchedule } {
  const { schedule } = due;
  const { operation, overlap, priority, actor, spacingMs = 0 } = backfill;
  const ticks = backfill.ticks.filter((tick) => tick <= now && nextTickOfRule(schedule, tick - 1) === tick);
  const done = repeatedBackfill(due, backfill, ticks, now);
  if (done !== undefined) return { step: done, after: due };
  const draft = new Draft(due, { overlap, refusesWithoutRoom: true });
  const replaced = overlap === "replace" ? replacedRun(ticks) : undefined;
  if (replaced !== undefined) draft.skip({ ...replaced, backfill: true });
  const from = Math.max(now, backfill.dueFrom ?? now);
  for (const [index, tick] of (replaced === undefined ? ticks : ticks.slice(-1)).entries()) {
    const dueAt = Math.ceil(from + index * spacingMs);
    draft.pass({ tick, dueAt, missed: 0, operation: tickOperation(operation, tick), backfill: true, priority, actor });
  }
  const step = draft.finish(draft.schedule, now, actor);
  const first = overlap === "replace" ? ticks.at(-1) : ticks[0];
  const operationJob = first === undefined ? undefined : jobOfTick(schedule, operation, first);
  return {
    step: operationJob === undefined ? step : { ...step, operationJob },
    after: {
      ...due,
      schedule: step.to,
      unfinished: draft.unfinished,
      ...(draft.room === undefined ? {} : { room: draft.room }),
    },
  };
}

function tickOperation(operation: string, tick: Millis): string {
  return `${operation}/${tick}`;
}

function jobOfTick({ tenant, incarnation }: Schedule, operation: string, tick: Millis) {
  return operationJobId(tenant, incarnation, tickOperation(operation, tick));
}

/** J15: a part made again finds the job that it made, or the tick that is held. Only these ticks can have become any. */
function repeatedBackfill(
  { schedule, unfinished }: DueSchedule,
  { operation, overlap }: Backfill,
  ticks: readonly Millis[],
  now: Millis,
): FireStep | undefined {
  const { held } = schedule;
  if (overlap === "allow" || (held === undefined && unfinished.length === 0)) return undefined;
  const able = [...new Set([...ticks.slice(0, 2), ...ticks.slice(-1)])];
  const fired = able.flatMap((tick) => {
    const job = jobOfTick(schedule, operation, tick);
    return unfinished.some(({ id }) => id === job) ? [{ tick, job, dueAt: now, backfill: {} }] : [];
  });
  const isHeld = held?.operation?.startsWith(`${operation}/`) === true;
  if (fired.length === 0 && !isHeld) return undefined;
  const made = new Set([...fired.map(({ tick }) => tick), ...(isHeld ? [held.tick] : [])]);
  const others = ticks.filter((tick) => !made.has(tick));
  const skipped = others.map((tick) => oneTick({ tick, operation, backfill: true }, "overlap"));
  return { ...unchanged(schedule), fired, skipped, ...(isHeld ? { held } : {}) };
}
