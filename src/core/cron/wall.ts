/**
 * The next wall time a rule matches. A wall time is what a clock on the wall shows, as milliseconds of the same date
 * and time in UTC.
 */

import { lowestBit, nextDay } from "./days.ts";
import type { CronFields } from "./fields.ts";

export const DAY_MS = 86_400_000;

/**
 * The first matching wall time at or after `fromMs`, which must be a whole second; Infinity when no date ever
 * matches.
 */
export function nextWall(fields: CronFields, fromMs: number): number {
  const from = Math.floor(fromMs / DAY_MS);
  let day = fields.everyDay ? from : nextDay(fields, from);
  if (day === from) {
    const second = nextSecond(fields, (fromMs - from * DAY_MS) / 1000);
    if (second >= 0) return from * DAY_MS + second * 1000;
    day = fields.everyDay ? from + 1 : nextDay(fields, from + 1);
  }
  return day * DAY_MS + firstSecond(fields) * 1000;
}

/** The rule's first second of a day (0-86399). */
function firstSecond(fields: CronFields): number {
  return nextSecond(fields, 0);
}

/** The first matching second of the day at or after `second` (0-86399), or -1. */
function nextSecond(fields: CronFields, second: number): number {
  const hour = (second / 3600) | 0;
  if ((fields.hours >>> hour) & 1) {
    const rest = second - hour * 3600;
    const minute = (rest / 60) | 0;
    if (holds60(fields.minutesLow, fields.minutesHigh, minute)) {
      const inMinute = next60(fields.secondsLow, fields.secondsHigh, rest - minute * 60);
      if (inMinute < 60) return hour * 3600 + minute * 60 + inMinute;
    }
    const later = next60(fields.minutesLow, fields.minutesHigh, minute + 1);
    if (later < 60) return hour * 3600 + later * 60 + next60(fields.secondsLow, fields.secondsHigh, 0);
  }
  const hours = fields.hours & (-1 << (hour + 1));
  if (hours === 0) return -1;
  const minute = next60(fields.minutesLow, fields.minutesHigh, 0);
  return lowestBit(hours) * 3600 + minute * 60 + next60(fields.secondsLow, fields.secondsHigh, 0);
}

function holds60(low: number, high: number, value: number): boolean {
  return ((value < 30 ? low >>> value : high >>> (value - 30)) & 1) === 1;
}

/** The lowest value at or after `from` (0-60) in a mask of 0-59 held in two words, or 60. */
export function next60(low: number, high: number, from: number): number {
  if (from < 30) {
    const rest = low & (-1 << from);
    if (rest !== 0) return lowestBit(rest);
    return high === 0 ? 60 : 30 + lowestBit(high);
  }
  const rest = from < 60 ? high & (-1 << (from - 30)) : 0;
  return rest === 0 ? 60 : 30 + lowestBit(rest);
}
