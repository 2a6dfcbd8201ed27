// Ticks: the next instant of a rule, and the deterministic jitter added to it.
import { instantMax, type Millis } from "./clock.ts";
import type { CronFields } from "./cron/fields.ts";
import { parseCron } from "./cron/grammar.ts";
import { nextCron } from "./cron/next.ts";
import { getZone, wallToInstants, type Zone } from "./cron/zone.ts";
import { durationMsMax, shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { excludedDaysOf } from "./excluded-days.ts";
import { hash128 } from "./hash.ts";
import type { CalendarRule, ExceptRule, Rule } from "./rule.ts";

/** What a rule's ticks depend on beside the rule. */
export interface TickContext {
  /** What `H` in a cron expression is hashed from: the tenant and the schedule's id. */
  readonly seed: string;
  /** Where `every` without an anchor counts from: when the rule was set. */
  readonly ruleSetAt: Millis;
}

/** The seed of a schedule's `H` fields and of its jitter. */
export function seedOf(tenant: string, id: string): string {
  return `${tenant}\n${id}`;
}

/** The first tick strictly after `after`, if there is one. */
export function nextTick(rule: Rule, after: Millis, context: TickContext): Millis | undefined {
  switch (rule.kind) {
    case "cron":
      return nextCron(compiled(rule.expression, context.seed), getZone(rule.timezone), after, rule);
    case "every": {
      const first = rule.anchor ?? context.ruleSetAt + rule.everyMs;
      if (after < first) return first;
      return withinTime(first + (Math.floor((after - first) / rule.everyMs) + 1) * rule.everyMs);
    }
    case "every-calendar":
      return nextCalendar(rule, after);
    case "once":
      return rule.at > after ? rule.at : undefined;
    case "union": {
      let earliest: Millis | undefined;
      for (const part of rule.rules) {
        const tick = nextTick(part, after, context);
        if (tick !== undefined && (earliest === undefined || tick < earliest)) earliest = tick;
      }
      return earliest;
    }
    case "except":
      return nextExcept(rule, after, context);
    default:
      // A newer version's rule, or bad data: not "no more ticks", but a schedule that cannot be evaluated (S8).
      throw new InvalidInputError(`the rule's kind ${shown((rule as Rule).kind)} is not known here`, {
        field: "when.kind",
      });
  }
}

/** Instants beyond what a Date holds do not come. */
function withinTime(tick: Millis): Millis | undefined {
  return tick <= instantMax ? tick : undefined;
}

/** How many ticks in a row other rules and instants may take away; excluded days are jumped over whole. */
const excludedRunMax = 100_000;

function nextExcept(rule: ExceptRule, after: Millis, context: TickContext): Millis | undefined {
  const zone = getZone(rule.timezone);
  const days = excludedDaysOf(rule.days);
  let tick = nextTick(rule.rule, after, context);
  for (let run = 0; run < excludedRunMax; run++) {
    if (tick === undefined || tick > after + durationMsMax) return undefined;
    const until = days.runEnd(Math.floor((tick + zone.offsetAt(tick)) / 86_400_000));
    if (until !== undefined) {
      // The first instant after the run of excluded days.
      const end = instantOf(zone, (until + 1) * 86_400_000);
      tick = nextTick(rule.rule, Math.max(tick, end - 1), context);
    } else if (isExcluded(rule, tick, context)) tick = nextTick(rule.rule, tick, context);
    else return tick;
  }
  throw new InvalidInputError(`the rule's exclusions take away more than ${excludedRunMax} ticks in a row`, {
    field: "when",
  });
}

function isExcluded(rule: ExceptRule, tick: Millis, context: TickContext): boolean {
  return rule.instants.includes(tick) || rule.rules.some((other) => nextTick(other, tick - 1, context) === tick);
}

/**
 * The zone by whose wall clock a rule ticks, each wall time once; undefined for rules of elapsed time, for wild cron
 * rules (every real instant whose wall time matches), and for rules of several zones.
 */
export function wallZoneOf(rule: Rule, context: TickContext): Zone | undefined {
  switch (rule.kind) {
    case "cron": {
      const repeats =
        rule.onOverlap === "both" || (rule.onOverlap === undefined && compiled(rule.expression, context.seed).wild);
      return repeats ? undefined : getZone(rule.timezone);
    }
    case "every-calendar":
      return getZone(rule.timezone);
    case "except":
      return wallZoneOf(rule.rule, context);
    case "union": {
      const [first, ...others] = rule.rules.map((part) => wallZoneOf(part, context));
      return others.every((zone) => zone === first) ? first : undefined;
    }
    default:
      return undefined;
  }
}

/** Mean length of a Gregorian month, in ms: only for a first guess. */
const meanMonthMs = 30.436875 * 86_400_000;

function nextCalendar(rule: CalendarRule, after: Millis): Millis | undefined {
  const zone = getZone(rule.timezone);
  const anchorWall = rule.anchor + zone.offsetAt(rule.anchor);
  const months = (rule.years ?? 0) * 12 + (rule.months ?? 0);
  const days = (rule.weeks ?? 0) * 7 + (rule.days ?? 0);
  // A guess two days short of the unit count, so that neither a short month nor a clock change is jumped over.
  const guess = (after - 2 * 86_400_000 - rule.anchor) / (months * meanMonthMs + days * 86_400_000);
  for (let k = Math.max(0, Math.floor(guess) - 1); ; k++) {
    const tick = k === 0 ? rule.anchor : instantOf(zone, addUnits(anchorWall, k * months, k * days));
    if (!(tick <= instantMax)) return undefined;
    if (tick > after) return tick;
  }
}

/** A wall time on in months (a day the month lacks is its last one), then in days. */
function addUnits(wallMs: number, months: number, days: number): number {
  const wall = new Date(wallMs);
  const month = wall.getUTCFullYear() * 12 + wall.getUTCMonth() + months;
  const year = Math.floor(month / 12);
  const lastDay = new Date(Date.UTC(year, (month % 12) + 1, 0)).getUTCDate();
  const day = Math.min(wall.getUTCDate(), lastDay);
  const timeOfDayMs = ((wallMs % 86_400_000) + 86_400_000) % 86_400_000;
  return Date.UTC(year, month % 12, day) + days * 86_400_000 + timeOfDayMs;
}

export function instantOf(zone: Zone, wallMs: number): Millis {
  const found = wallToInstants(zone, wallMs);
  // A wall time that does not exist ticks when the clocks change; one that comes twice, the first time.
  return found.kind === "none" ? found.transition : found.kind === "one" ? found.instant : found.first;
}

const compiledMax = 10_000;
const compiledFields = new Map<string, CronFields>();

/** Parsed expressions are kept, the least lately added dropped first; only `H` makes one depend on its schedule. */
export function compiled(expression: string, seed: string): CronFields {
  const key = /[hH](?![a-zA-Z])/.test(expression) ? `${expression}\n${seed}` : expression;
  let fields = compiledFields.get(key);
  if (fields === undefined) {
    fields = parseCron(expression, seed);
    if (compiledFields.size >= compiledMax) {
      const oldest = compiledFields.keys().next();
      if (oldest.done !== true) compiledFields.delete(oldest.value);
    }
    compiledFields.set(key, fields);
  }
  return fields;
}

/**
 * The offset a schedule's tick is delayed by: one deterministic share of the jitter per schedule, so that the
 * interval is kept, never reaching the next tick.
 * @param gapMs to the next tick; Infinity when there is none.
 */
export function jitterOffsetMs(seed: string, jitterMs: number, gapMs: number): number {
  const spanMs = Math.min(jitterMs, gapMs);
  if (spanMs <= 0) return 0;
  return Math.floor(((hash128(`jitter\n${seed}`)[0] >>> 0) / 2 ** 32) * spanMs);
}
