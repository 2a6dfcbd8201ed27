// What is shown of a schedule's coming ticks: core's preview, with what clock changes do to them.
import { parseCron } from "../core/cron/grammar.ts";
import { cronNote } from "../core/cron/next.ts";
import { getZone } from "../core/cron/zone.ts";
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { comingTicks } from "../core/preview.ts";
import { planPut } from "../core/saving.ts";
import type { Schedule, SchedulePut } from "../core/schedule.ts";
import { seedOf } from "../core/tick.ts";

/** A coming tick. */
export interface PreviewTick {
  /** The nominal instant. */
  readonly tick: Date;
  /** When its job is due: the tick plus this schedule's jitter. */
  readonly dueAt: Date;
  /** What a clock change does to it, if one does. */
  readonly note?: string;
}

/** The next ticks of a stored schedule; a disabled one is shown as though it were enabled now. */
export function previewTicks(schedule: Schedule, now: number, count: number): PreviewTick[] {
  const { tenant, id, incarnation, definition, revision } = schedule;
  if (!schedule.enabled) {
    return previewPut(schedule, { tenant, id, incarnation, definition, enabled: true, expected: revision }, now, count);
  }
  const noteOf = notesOf(schedule);
  return comingTicks(schedule, now, count).map(({ tick, dueAt }) => {
    const note = noteOf(tick);
    return { tick: new Date(tick), dueAt: new Date(dueAt), ...(note === undefined ? {} : { note }) };
  });
}

/** The next ticks of what a put would leave, enabled, if it were made now. */
export function previewPut(stored: Schedule | undefined, put: SchedulePut, now: number, count: number): PreviewTick[] {
  const plan = planPut(stored, { ...put, enabled: true }, now);
  return "schedule" in plan ? previewTicks(plan.schedule, now, count) : [];
}

/** Tells what clock changes do to a schedule's ticks. */
function notesOf({ definition: { rule }, tenant, id }: Schedule): (tick: number) => string | undefined {
  if (rule.kind !== "cron") return () => undefined;
  const fields = parseCron(rule.expression, seedOf(tenant, id));
  const zone = getZone(rule.timezone);
  return (tick) => cronNote(fields, zone, tick, rule)?.text;
}

/** @throws InvalidInputError */
export function checkCount(count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= 10_000) return count;
  throw new InvalidInputError(`count must be a whole number from 1 to 10,000, got ${shown(count)}`, { field: "count" });
}
