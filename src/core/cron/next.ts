/**
 * From a compiled rule and a zone to its ticks: the gap and overlap rules of CRON.md 3-7, by computing and never by
 * stepping through minutes.
 */

import { smallestDayGap } from "./days.ts";
import type { CronFields } from "./fields.ts";
import { DAY_MS, next60, nextWall } from "./wall.ts";
import { INSTANT_MAX, type Zone } from "./zone.ts";

/**
 * How a schedule overrides what its rule does where clocks change; unset means CRON.md 4 for wild rules and 5 for
 * fixed ones.
 */
export interface DstOptions {
  /** Wall times a gap skips: one tick at the transition (gaps under 3 h only), or none. */
  readonly onGap?: "run-after" | "skip";
  /** Wall times an overlap repeats: the first pass, both, or the last. */
  readonly onOverlap?: "first" | "both" | "last";
}

/** What a preview says about a tick which a clock change touched. */
export interface CronNote {
  readonly kind: "moved" | "merged" | "first-pass" | "second-pass";
  /** One line for people, such as "moved: wall time 02:30 does not exist that day". */
  readonly text: string;
}

/** Ticks are looked for this far; the rarest dates (Feb 29 on a given weekday, across 2100) are 40 years apart. */
const HORIZON_MS = 100 * 366 * DAY_MS;
/** A gap this long is a change of calendar, not of the season: what it skips is dropped (CRON.md 5). */
const LONG_GAP_MS = 3 * 3_600_000;

/**
 * The first tick strictly after `after` (epoch ms), or undefined when none comes within 100 years (a wall time which
 * a gap always skips, for example). Depends on nothing but its arguments and the runtime's zone rules.
 */
export function nextCron(fields: CronFields, zone: Zone, after: number, options?: DstOptions): number | undefined {
  if (!(after < INSTANT_MAX)) return undefined;
  const passes = passesOf(fields, options);
  const since = after < -INSTANT_MAX ? -INSTANT_MAX - 1 : after;

  let segment = zone.segmentAt(since);
  let from = (Math.floor((since + segment.offset) / 1000) + 1) * 1000;
  // An overlap's second pass is over for a first-pass rule when the clock shows what it showed at the transition.
  if (passes === "first" && from < segment.start + segment.before) from = segment.start + segment.before;
  let wall = nextWall(fields, from);

  for (;;) {
    const close = segment.end + (passes === "last" && segment.after < segment.offset ? segment.after : segment.offset);
    if (wall < close) return within(wall - segment.offset);
    if (wall === Number.POSITIVE_INFINITY || segment.end - since > HORIZON_MS) return undefined;
    const following = zone.following(segment);
    if (following === undefined) return undefined;
    // It did not really end: no transition was known there, and now more is.
    if (following.start < segment.end) {
      segment = following;
      continue;
    }
    segment = following;
    const shift = segment.offset - segment.before;
    if (shift > 0 && wall < segment.start + segment.offset) {
      if (shift < LONG_GAP_MS && runsAfterGap(fields, options)) return within(segment.start);
      wall = nextWall(fields, segment.start + segment.offset);
    } else if (shift < 0 && passes !== "first") {
      wall = nextWall(fields, segment.start + segment.offset);
    }
  }
}

/** What to tell people about a tick of this rule; undefined for one no clock change touches. */
export function cronNote(fields: CronFields, zone: Zone, tick: number, options?: DstOptions): CronNote | undefined {
  const segment = zone.segmentAt(tick);
  const wall = tick + segment.offset;
  const shift = segment.offset - segment.before;
  if (tick === segment.start && shift > 0 && shift < LONG_GAP_MS && runsAfterGap(fields, options)) {
    const skipped = nextWall(fields, segment.start + segment.before);
    if (skipped < wall) {
      const more = nextWall(fields, skipped + 1000) < wall ? ` and later ones before ${clock(wall)} do` : " does";
      const merged = nextWall(fields, wall) === wall;
      const text = `wall time ${clock(skipped)}${more} not exist that day`;
      return merged ? { kind: "merged", text: `also for: ${text}` } : { kind: "moved", text: `moved: ${text}` };
    }
  }
  if (wall < segment.start + segment.before) return { kind: "second-pass", text: `second of two ${clock(wall)}` };
  if (wall >= segment.end + segment.after) {
    return { kind: "first-pass", text: `first of two ${clock(wall)}` };
  }
  return undefined;
}

/**
 * The smallest gap between consecutive ticks over the rule's whole 400-year cycle, in ms of wall time, independent of
 * now and of any zone.
 * Clock changes are left out on purpose: on the day of one, two ticks may come nearer (a skipped 02:30 runs at 03:00,
 * beside 03:05), which
 * is no reason to refuse a rule that keeps its distance on every other day.
 */
export function smallestGapMs(fields: CronFields): number {
  const seconds = spread60(fields.secondsLow, fields.secondsHigh);
  const minutes = spread60(fields.minutesLow, fields.minutesHigh);
  const hours = spread60(fields.hours, 0);
  const minuteSpan = seconds.last - seconds.first;
  const hourSpan = (minutes.last - minutes.first) * 60 + minuteSpan;
  const daySpan = (hours.last - hours.first) * 3600 + hourSpan;
  const inDay = Math.min(seconds.gap, minutes.gap * 60 - minuteSpan, hours.gap * 3600 - hourSpan);
  // Adjacent days are the nearest there are: no need to look when even those cannot matter.
  const gap = 86_400 - daySpan >= inDay ? inDay : Math.min(inDay, smallestDayGap(fields) * 86_400 - daySpan);
  return gap * 1000;
}

/** The first and last value of a mask, and the smallest distance between neighbours (Infinity for one value). */
function spread60(low: number, high: number): { first: number; last: number; gap: number } {
  const first = next60(low, high, 0);
  let last = first;
  let gap = Number.POSITIVE_INFINITY;
  for (let value = next60(low, high, first + 1); value < 60; value = next60(low, high, value + 1)) {
    gap = Math.min(gap, value - last);
    last = value;
  }
  return { first, last, gap };
}

function passesOf(fields: CronFields, options: DstOptions | undefined): "first" | "both" | "last" {
  return options?.onOverlap ?? (fields.wild ? "both" : "first");
}

function runsAfterGap(fields: CronFields, options: DstOptions | undefined): boolean {
  return options?.onGap === undefined ? !fields.wild : options.onGap === "run-after";
}

function within(instant: number): number | undefined {
  return instant <= INSTANT_MAX ? instant : undefined;
}

/** A wall time as HH:MM, with seconds when there are any. */
function clock(wallMs: number): string {
  const text = new Date(wallMs).toISOString();
  return text.slice(17, 19) === "00" ? text.slice(11, 16) : text.slice(11, 19);
}
