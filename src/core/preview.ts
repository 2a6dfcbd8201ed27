// Coming ticks, from the very decisions that fire them: those of now, by catch-up, then those that come on time.
import { dueTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { offsetMs } from "./firing.ts";
import { nextTickOf, type Schedule } from "./schedule.ts";

/** A tick that is to fire. */
export interface ComingTick {
  readonly tick: Millis;
  readonly dueAt: Millis;
}

/**
 * The next ticks that an enabled schedule fires, at most `count`: first what would be fired now of those that have come,
 * then those to come, each noticed on time and with no job in its way. A tick that is held fires before them all: it is
 * not among them, and counts towards `maxTicks`.
 */
export function comingTicks(schedule: Schedule, now: Millis, count: number): readonly ComingTick[] {
  const most = Math.min(count, ticksLeft(schedule));
  const { ticks, after } = dueTicks(schedule, now);
  const coming = ticks.slice(0, most);
  let tick = coming.length < most ? nextTickOf(schedule, after) : undefined;
  while (tick !== undefined && coming.length < most) {
    coming.push(tick);
    tick = nextTickOf(schedule, tick);
  }
  return coming.map((at) => ({ tick: at, dueAt: at + offsetMs(schedule, at) }));
}

/** How many ticks may fire yet, once the held one has. */
function ticksLeft({ definition: { maxTicks }, ticksFired, held }: Schedule): number {
  if (maxTicks === undefined) return Number.POSITIVE_INFINITY;
  const waiting = held !== undefined && held.operation === undefined ? 1 : 0;
  return Math.max(0, maxTicks - ticksFired - waiting);
}
