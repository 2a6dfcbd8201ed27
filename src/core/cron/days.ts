/** Which dates a rule matches, in the proleptic Gregorian calendar: a month's matching days are one 31-bit mask. */

import type { CronFields } from "./fields.ts";

/** The calendar repeats after 400 years, which are a whole number of weeks. */
const CYCLE_DAYS = 146_097;
const CYCLE_MONTHS = 4_800;

/** 2000-01-01, the first day of a cycle, as days since 1970-01-01. */
const CYCLE_START = 10_957;

const WORKDAYS = 0b0111110;

/** The first matching day on or after `day` (days since 1970-01-01), or Infinity when none comes in 400 years. */
export function nextDay(fields: CronFields, day: number): number {
  // Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  const shifted = day + 719_468;
  const era = Math.floor(shifted / CYCLE_DAYS);
  const dayOfEra = shifted - era * CYCLE_DAYS;
  const yearOfEra =
    ((dayOfEra - ((dayOfEra / 1_460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - ((yearOfEra / 100) | 0));
  const monthFromMarch = ((5 * dayOfYear + 2) / 153) | 0;
  let date = dayOfYear - (((153 * monthFromMarch + 2) / 5) | 0);
  let month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10;
  let year = yearOfEra + era * 400 + (month < 2 ? 1 : 0);
  let first = day - date;

  for (let scanned = 0; scanned <= CYCLE_MONTHS; scanned++) {
    const length = monthLength(year, month);
    if ((fields.months >>> month) & 1) {
      const days = matchingDays(fields, length, weekdayOf(first)) & (-1 << date);
      if (days !== 0) return first + lowestBit(days);
    }
    first += length;
    date = 0;
    if (++month === 12) {
      month = 0;
      year++;
    }
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * Whether any date ever matches. A month begins on each weekday sooner or later, February in leap years too, so that
 * its lengths and
 * its first weekdays are all there is to try.
 */
export function comes(fields: CronFields): boolean {
  for (let month = 0; month < 12; month++) {
    if (((fields.months >>> month) & 1) === 0) continue;
    for (let first = 0; first < 7; first++) {
      if (matchingDays(fields, monthLength(2000, month), first) !== 0) return true;
      if (month === 1 && matchingDays(fields, 28, first) !== 0) return true;
    }
  }
  return false;
}

/** The smallest distance in days between consecutive matching dates, over the whole cycle. */
export function smallestDayGap(fields: CronFields): number {
  const earliest = nextDay(fields, CYCLE_START);
  let last = earliest - CYCLE_DAYS;
  let gap = Number.POSITIVE_INFINITY;
  let first = CYCLE_START;
  for (let scanned = 0; gap > 1 && scanned < CYCLE_MONTHS; scanned++) {
    const length = monthLength(2000 + ((scanned / 12) | 0), scanned % 12);
    const days = (fields.months >>> (scanned % 12)) & 1 ? matchingDays(fields, length, weekdayOf(first)) : 0;
    if (days !== 0) {
      gap = Math.min(gap, first + lowestBit(days) - last, gapWithin(days));
      last = first + 31 - Math.clz32(days);
    }
    first += length;
  }
  return Math.min(gap, earliest + CYCLE_DAYS - last);
}

/** The smallest distance between two set bits; Infinity for one bit. */
function gapWithin(days: number): number {
  for (let gap = 1; gap < 31; gap++) if ((days & (days >>> gap)) !== 0) return gap;
  return Number.POSITIVE_INFINITY;
}

/** The matching days of a month of `length` days whose first is weekday `first` (0 = Sunday): bit 0 is the 1st. */
function matchingDays(fields: CronFields, length: number, first: number): number {
  const all = 2 ** length - 1;
  let monthDays = fields.monthDays;
  if (fields.lastDays !== 0) monthDays |= lastDays(fields.lastDays, length);
  if (fields.lastWorkday) monthDays |= 1 << nearestWorkday(length - 1, length, first);
  if (fields.nearestWorkdays !== 0) monthDays |= nearestWorkdays(fields.nearestWorkdays, length, first);

  let weekdays = everyWeek(fields.weekdays, first);
  if (fields.lastWeekdays !== 0) weekdays |= everyWeek(fields.lastWeekdays, first) & (0x7f << (length - 7));
  for (let nth = 0; nth < fields.nthWeekdays.length; nth++) {
    weekdays |= everyWeek(fields.nthWeekdays[nth] ?? 0, first) & (0x7f << (7 * nth));
  }
  return all & (fields.dayRule === "both" ? monthDays & weekdays : monthDays | weekdays);
}

/** A mask of weekdays laid out over the days of a month whose first is weekday `first`. */
function everyWeek(weekdays: number, first: number): number {
  const week = ((weekdays >>> first) | (weekdays << (7 - first))) & 0x7f;
  return week | (week << 7) | (week << 14) | (week << 21) | (week << 28);
}

function lastDays(before: number, length: number): number {
  let days = 0;
  for (let rest = before; rest !== 0; rest &= rest - 1) {
    const date = length - 1 - lowestBit(rest);
    if (date >= 0) days |= 1 << date;
  }
  return days;
}

function nearestWorkdays(dates: number, length: number, first: number): number {
  let days = 0;
  for (let rest = dates; rest !== 0; rest &= rest - 1) {
    const date = lowestBit(rest);
    if (date < length) days |= 1 << nearestWorkday(date, length, first);
  }
  return days;
}

/** The Monday to Friday nearest to `date` (0 = the 1st) without leaving the month. */
function nearestWorkday(date: number, length: number, first: number): number {
  const weekday = (first + date) % 7;
  if ((WORKDAYS >>> weekday) & 1) return date;
  if (weekday === 6) return date === 0 ? 2 : date - 1;
  return date === length - 1 ? date - 2 : date + 1;
}

function monthLength(year: number, month: number): number {
  if (month !== 1) return 30 + ((0b101011010101 >>> month) & 1);
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return ((day % 7) + 11) % 7;
}

/** The number of the lowest set bit of a mask that is not 0. */
export function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
