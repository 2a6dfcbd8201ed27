/**
 * Seeded random cron expressions, zones and instants for the cross-checks; the same seed gives the same cases
 * everywhere.
 */

import { getZone, type Segment, type Zone } from "../../../src/core/cron/zone.ts";

export interface Random {
  /** A whole number from `min` to `max`. */
  int(min: number, max: number): number;
  pick<T>(items: readonly T[]): T;
  chance(probability: number): boolean;
}

/** mulberry32 (Tommy Ettinger, public domain). */
export function randomFrom(seed: number): Random {
  let state = seed;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (min: number, max: number): number => min + Math.floor(unit() * (max - min + 1));
  return { int, pick: (items) => items[int(0, items.length - 1)] as (typeof items)[number], chance: (p) => unit() < p };
}

const MONTH_NAMES = ["JAN", "feb", "Mar", "APR", "may", "JUN", "jul", "Aug", "SEP", "oct", "nov", "DEC"];
const DAY_NAMES = ["sun", "MON", "Tue", "wed", "THU", "fri", "SAT"];

function number(random: Random, min: number, max: number): string {
  return String(random.int(min, max));
}

function range(random: Random, min: number, max: number): string {
  const from = random.int(min, max);
  return `${from}-${random.int(from, max)}`;
}

function list(random: Random, term: () => string): string {
  return Array.from({ length: random.int(1, 3) }, term).join(",");
}

function timeField(random: Random, max: number, hot: readonly number[]): string {
  const roll = random.int(0, 99);
  if (roll < 10) return "*";
  if (roll < 16) return `*/${random.int(1, max)}`;
  if (roll < 60) return list(random, () => String(random.chance(0.6) ? random.pick(hot) : random.int(0, max)));
  if (roll < 72) return range(random, 0, max);
  if (roll < 78) return `${range(random, 0, max)}/${random.int(1, 9)}`;
  if (roll < 82) return `${random.int(0, max)}/${random.int(1, max)}`;
  if (roll < 84) return `${random.int(0, max)},*`;
  return String(random.chance(0.6) ? random.pick(hot) : random.int(0, max));
}

function monthDayField(random: Random): string {
  const roll = random.int(0, 99);
  if (roll < 45) return "*";
  if (roll < 48) return "?";
  if (roll < 53) return `*/${random.int(1, 31)}`;
  if (roll < 58) return range(random, 1, 31);
  if (roll < 62) return `${range(random, 1, 31)}/${random.int(1, 7)}`;
  if (roll < 65) return `${random.int(1, 31)}/${random.int(1, 31)}`;
  if (roll < 72) return "L";
  if (roll < 76) return `${random.int(1, 28)},L`;
  if (roll < 79) return "LW";
  if (roll < 85) return list(random, () => `${random.int(1, 31)}W`);
  return list(random, () => number(random, 1, 31));
}

function monthField(random: Random): string {
  const roll = random.int(0, 99);
  if (roll < 65) return "*";
  if (roll < 72) return `*/${random.int(1, 12)}`;
  if (roll < 78) return range(random, 1, 12);
  if (roll < 82) return `${random.int(1, 12)}/${random.int(1, 12)}`;
  if (roll < 90) return list(random, () => random.pick(MONTH_NAMES));
  return list(random, () => number(random, 1, 12));
}

function weekdayField(random: Random): string {
  const roll = random.int(0, 99);
  if (roll < 50) return "*";
  if (roll < 53) return "?";
  if (roll < 57) return `*/${random.int(1, 7)}`;
  if (roll < 64) return range(random, 0, 7);
  if (roll < 67) return `${random.int(0, 6)}/${random.int(1, 6)}`;
  if (roll < 76) return list(random, () => random.pick(DAY_NAMES));
  if (roll < 79) return random.pick(["MON-FRI", "fri-sun", "sun-sat", "Tue-thu"]);
  if (roll < 86) return list(random, () => `${random.int(0, 7)}#${random.int(1, 5)}`);
  if (roll < 92) return list(random, () => `${random.int(0, 6)}L`);
  return list(random, () => number(random, 0, 7));
}

/** An expression of 5 or 6 fields; every day in half the cases, and often at the hours at which clocks change. */
export function randomExpression(random: Random): string {
  const daily = random.chance(0.5);
  const fields = [
    timeField(random, 59, [0, 15, 30, 45, 59]),
    timeField(random, 23, [0, 1, 2, 2, 3, 23]),
    daily ? "*" : monthDayField(random),
    daily ? "*" : monthField(random),
    daily ? "*" : weekdayField(random),
  ];
  if (random.chance(0.25)) fields.unshift(timeField(random, 59, [0, 30, 59]));
  return fields.join(" ");
}

export const ZONE_IDS: readonly string[] = Intl.supportedValuesOf("timeZone");

/**
 * A whole second from 1990 to 2060, four times in five from 22 hours before to an hour after a transition when the
 * zone has one near.
 */
export function randomInstant(random: Random, zone: Zone): number {
  const any = Date.UTC(random.int(1990, 2059), random.int(0, 11), random.int(1, 28)) + random.int(0, 86_399) * 1000;
  if (random.chance(0.2)) return any;
  const until = any + 366 * 86_400_000;
  for (let segment: Segment | undefined = zone.segmentAt(any); segment !== undefined && segment.end < until; ) {
    if (segment.after !== segment.offset)
      return segment.end - (random.chance(0.5) ? random.int(-3600, 2 * 3600) : random.int(0, 22 * 3600)) * 1000;
    segment = zone.following(segment);
  }
  return any;
}

export function randomZone(random: Random): Zone {
  return getZone(random.pick(ZONE_IDS));
}
