// Rules: when a schedule ticks. Frozen plain data, checked when made: the same JSON in store, HTTP and CLI.
import type { Millis } from "./clock.ts";
import { parseCron } from "./cron/grammar.ts";
import { getZone } from "./cron/zone.ts";
import { defaults } from "./defaults.ts";
import { type Duration, parseDuration, shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { readExcludedDay } from "./excluded-days.ts";
import { checkInstant } from "./instant.ts";
import { refuseUnknown } from "./options.ts";

/** Ticks where a cron expression matches a zone's wall clock; the exact rules are in docs/cron.md. */
export interface CronRule {
  readonly kind: "cron";
  readonly expression: string;
  /** IANA name in canonical spelling. */
  readonly timezone: string;
  readonly onGap?: "run-after" | "skip";
  readonly onOverlap?: "first" | "both" | "last";
}

/** Ticks at anchor + k * everyMs of elapsed time, k ≥ 0; without an anchor from when the rule was set, k ≥ 1. */
export interface EveryRule {
  readonly kind: "every";
  readonly everyMs: number;
  readonly anchor?: Millis;
}

/** Ticks at the anchor's wall time plus k calendar units; a day that a month lacks is its last one. */
export interface CalendarRule {
  readonly kind: "every-calendar";
  readonly years?: number;
  readonly months?: number;
  readonly weeks?: number;
  readonly days?: number;
  readonly anchor: Millis;
  readonly timezone: string;
}

/** One tick. */
export interface OnceRule {
  readonly kind: "once";
  readonly at: Millis;
}

/** Ticks of any of several rules, each instant once. */
export interface UnionRule {
  readonly kind: "union";
  readonly rules: readonly Rule[];
}

/** The ticks of a rule but for excluded days (in `timezone`), instants, or ticks of other rules. */
export interface ExceptRule {
  readonly kind: "except";
  readonly rule: Rule;
  /** Local dates as YYYY-MM-DD, intervals of them (`from/to`, both excluded), or yearly days as --MM-DD. */
  readonly days: readonly string[];
  readonly instants: readonly Millis[];
  readonly rules: readonly Rule[];
  readonly timezone: string;
}

export type Rule = CronRule | EveryRule | CalendarRule | OnceRule | UnionRule | ExceptRule;

/** Options of `cron`. */
export interface CronOptions {
  /** IANA zone; UTC by default. */
  readonly timezone?: string;
  /** A fixed time that a clock change skips: at the instant of the change (default), or not at all. */
  readonly onGap?: "run-after" | "skip";
  /** A fixed time that a clock change repeats: the first pass (default), both, or the last. */
  readonly onOverlap?: "first" | "both" | "last";
}

/**
 * A cron rule: 5 fields, or 6 with seconds first; nicknames such as `@daily`.
 * @throws InvalidCronError, InvalidTimeZoneError
 */
export function cron(expression: string, options: CronOptions = {}): CronRule {
  refuseUnknown(options, ["timezone", "onGap", "onOverlap"], "");
  if (typeof expression !== "string") {
    throw new InvalidInputError(`expression must be a text, got ${shown(expression)}`, { field: "expression" });
  }
  parseCron(expression);
  return Object.freeze({
    kind: "cron" as const,
    expression,
    timezone: getZone(options.timezone ?? "UTC").id,
    ...oneOf<"onGap", "run-after" | "skip">(options, "onGap", ["run-after", "skip"]),
    ...oneOf<"onOverlap", "first" | "both" | "last">(options, "onOverlap", ["first", "both", "last"]),
  });
}

/**
 * A rule of elapsed time, blind to clock changes.
 * @param interval at least 1 s.
 */
export function every(interval: Duration, options: { readonly anchor?: Date | string } = {}): EveryRule {
  refuseUnknown(options, ["anchor"], "");
  const everyMs = parseDuration(interval, "interval", { minMs: defaults.everyMsMin });
  return Object.freeze({
    kind: "every" as const,
    everyMs,
    ...(options.anchor === undefined ? {} : { anchor: checkInstant(options.anchor, "anchor") }),
  });
}

/** Calendar units of `everyCalendar`; at least one, each a positive whole number. */
export interface CalendarUnits {
  readonly years?: number;
  readonly months?: number;
  readonly weeks?: number;
  readonly days?: number;
}

/** A rule of calendar units: the anchor's wall time in the zone, so many units on. */
export function everyCalendar(
  units: CalendarUnits,
  options: { readonly anchor: Date | string; readonly timezone?: string },
): CalendarRule {
  refuseUnknown(units, ["years", "months", "weeks", "days"], "units");
  refuseUnknown(options, ["anchor", "timezone"], "");
  const checked: { years?: number; months?: number; weeks?: number; days?: number } = {};
  for (const unit of ["years", "months", "weeks", "days"] as const) {
    const count = units[unit];
    if (count === undefined) continue;
    if (!Number.isInteger(count) || count < 1 || count > 40_000) {
      throw new InvalidInputError(`units.${unit} must be a whole number from 1 to 40000, got ${shown(count)}`, {
        field: `units.${unit}`,
      });
    }
    checked[unit] = count;
  }
  if (Object.keys(checked).length === 0) {
    throw new InvalidInputError("units must name at least one of years, months, weeks, days", { field: "units" });
  }
  return Object.freeze({
    kind: "every-calendar" as const,
    ...checked,
    anchor: checkInstant(options.anchor, "anchor"),
    timezone: getZone(options.timezone ?? "UTC").id,
  });
}

/** A rule with one tick. An instant in the past ticks at once, unless catch-up is `skip`. */
export function once(at: Date | string): OnceRule {
  return Object.freeze({ kind: "once" as const, at: checkInstant(at, "at") });
}

/** A rule that ticks whenever one of several does. */
export function union(...rules: readonly Rule[]): UnionRule {
  return makeUnion(rules.map((rule, index) => checkRule(rule, `rules[${index}]`)));
}

function makeUnion(rules: readonly Rule[], field = "rules"): UnionRule {
  if (rules.length === 0) throw new InvalidInputError("union needs at least one rule", { field });
  const made = Object.freeze({ kind: "union" as const, rules: Object.freeze(rules) });
  checkSize(made);
  return made;
}

/**
 * A rule without some of its ticks.
 * @param excluded local days (`"2026-12-25"`, `"2026-12-24/2027-01-01"`, `"--12-25"`, or what `calendar()` makes of
 * holiday data), instants (Date), or rules whose ticks are left out.
 * @param options `timezone`: where the days begin and end; the rule's own zone by default.
 */
export function except(
  rule: Rule,
  excluded: readonly (string | Date | Rule)[],
  options: { readonly timezone?: string } = {},
): ExceptRule {
  refuseUnknown(options, ["timezone"], "");
  const checked = checkRule(rule, "rule");
  if (!Array.isArray(excluded)) {
    throw new InvalidInputError(`excluded must be an array, got ${shown(excluded)}`, { field: "excluded" });
  }
  const days: string[] = [];
  const instants: Millis[] = [];
  const rules: Rule[] = [];
  for (const [index, item] of (excluded as readonly (string | Date | Rule)[]).entries()) {
    const field = `excluded[${index}]`;
    if (typeof item === "string") days.push(checkDay(item, field));
    else if (item instanceof Date) instants.push(checkInstant(item, field));
    else rules.push(checkRule(item, field));
  }
  return makeExcept(checked, { days, instants, rules }, options.timezone, "excluded");
}

interface Exclusions {
  readonly days: readonly string[];
  readonly instants: readonly Millis[];
  readonly rules: readonly Rule[];
}

function makeExcept(
  rule: Rule,
  { days, instants, rules }: Exclusions,
  timezone: string | undefined,
  field: string,
): ExceptRule {
  const zones = ruleZones(rule);
  if (timezone === undefined && days.length > 0 && zones.length > 1) {
    throw new InvalidInputError(
      `timezone must say where the excluded days begin and end: the rule ticks in ${zones.join(" and ")}`,
      { field: "timezone" },
    );
  }
  if (days.length + instants.length > defaults.excludedMax) {
    throw new InvalidInputError(
      `${field} must name at most ${defaults.excludedMax} days and instants, got ${days.length + instants.length}`,
      { field, mend: 'Write runs of days as intervals, "2026-12-24/2027-01-01", and yearly ones as "--12-25".' },
    );
  }
  const made = Object.freeze({
    kind: "except" as const,
    rule,
    days: Object.freeze(days),
    instants: Object.freeze(instants),
    rules: Object.freeze(rules),
    timezone: getZone(timezone ?? ruleTimezone(rule)).id,
  });
  checkSize(made);
  return made;
}

/**
 * Checks a rule that came as data (from HTTP, a file, another copy of the package) and freezes a copy.
 * @throws InvalidInputError and its kin, naming the field.
 */
export function checkRule(value: unknown, field = "when"): Rule {
  return readRule(value, field, 1);
}

function readRule(value: unknown, field: string, depth: number): Rule {
  if (depth > defaults.ruleDepthMax) throw tooDeep(field);
  if (typeof value !== "object" || value === null || !("kind" in value)) {
    throw new InvalidInputError(
      `${field} must be a rule: cron(), every(), everyCalendar(), once(), union() or except()`,
      {
        field,
      },
    );
  }
  const { kind, ...rest } = value;
  const data: Readonly<Record<string, unknown>> = rest;
  const members = Object.hasOwn(ruleMembers, String(kind)) ? ruleMembers[kind as Rule["kind"]] : undefined;
  if (members === undefined) {
    const known = Object.keys(ruleMembers).join(", ");
    throw new InvalidInputError(`${field}.kind must be of ${known}, got ${shown(kind)}`, { field: `${field}.kind` });
  }
  refuseUnknown(data, members, field);
  const at = (name: string) => checkMillis(data[name], `${field}.${name}`);
  const list = (name: string) => checkList(data[name], `${field}.${name}`);
  const part = (one: unknown, name: string) => readRule(one, `${field}.${name}`, depth + 1);
  switch (kind as Rule["kind"]) {
    case "cron": {
      const { expression, ...options } = data;
      if (typeof expression !== "string") {
        throw new InvalidInputError(`${field}.expression must be a text, got ${shown(expression)}`, {
          field: `${field}.expression`,
        });
      }
      return cron(expression, options as CronOptions);
    }
    case "every": {
      const everyMs = parseDuration(data["everyMs"], `${field}.everyMs`, { minMs: defaults.everyMsMin });
      return every(everyMs, data["anchor"] === undefined ? {} : { anchor: at("anchor") });
    }
    case "every-calendar": {
      const { anchor: _, timezone, ...units } = data;
      return everyCalendar(units, { anchor: at("anchor"), timezone: timezone as string });
    }
    case "once":
      return once(at("at"));
    case "union":
      return makeUnion(
        list("rules").map((rule, index) => part(rule, `rules[${index}]`)),
        `${field}.rules`,
      );
    case "except": {
      // What excludes nothing is a slip; of the three kinds of exclusions those that there are none of may be left out.
      const some = ["days", "instants", "rules"].filter((name) => data[name] !== undefined);
      const given = (name: string) => (some.length > 0 && data[name] === undefined ? [] : list(name));
      const days = given("days").map((day, index) => checkDay(day, `${field}.days[${index}]`));
      const instants = given("instants").map((at, index) => +checkMillis(at, `${field}.instants[${index}]`));
      const rules = given("rules").map((rule, index) => part(rule, `rules[${index}]`));
      const timezone = data["timezone"] as string | undefined;
      return makeExcept(part(data["rule"], "rule"), { days, instants, rules }, timezone, field);
    }
  }
}

function tooDeep(field: string): InvalidInputError {
  return new InvalidInputError(`${field} is nested more than ${defaults.ruleDepthMax} rules deep`, { field });
}

/** A rule is evaluated in every fire: what it is made of is bounded. */
function checkSize(rule: Rule): void {
  let parts = 0;
  const count = (one: Rule, depth: number): void => {
    if (depth > defaults.ruleDepthMax) throw tooDeep("rule");
    if (++parts > defaults.rulePartsMax) {
      throw new InvalidInputError(`a rule must be made of at most ${defaults.rulePartsMax} rules`, { field: "rules" });
    }
    for (const inner of partsOf(one)) count(inner, depth + 1);
  };
  count(rule, 1);
}

function partsOf(rule: Rule): readonly Rule[] {
  if (rule.kind === "union") return rule.rules;
  return rule.kind === "except" ? [rule.rule, ...rule.rules] : [];
}

const ruleMembers: Readonly<Record<Rule["kind"], readonly string[]>> = {
  cron: ["expression", "timezone", "onGap", "onOverlap"],
  every: ["everyMs", "anchor"],
  "every-calendar": ["years", "months", "weeks", "days", "anchor", "timezone"],
  once: ["at"],
  union: ["rules"],
  except: ["rule", "days", "instants", "rules", "timezone"],
};

function checkMillis(value: unknown, field: string): Date {
  if (typeof value === "number" && Number.isInteger(value)) return new Date(checkInstant(new Date(value), field));
  return new Date(checkInstant(value, field));
}

function checkList(value: unknown, field: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new InvalidInputError(`${field} must be an array, got ${shown(value)}`, { field });
}

/** The zone a rule's wall clock is read in, the first where there are several; UTC for rules of elapsed time. */
function ruleTimezone(rule: Rule): string {
  return ruleZones(rule)[0] ?? "UTC";
}

/** Every zone that a rule's ticks depend on, those of its exclusions too, each once, in the rule's order. */
export function ruleZones(rule: Rule): readonly string[] {
  const own = "timezone" in rule && rule.timezone !== undefined ? [rule.timezone] : [];
  const inner = partsOf(rule).flatMap(ruleZones);
  // The rule's own zone first, as exclusions may be of another.
  return [...new Set(rule.kind === "except" && rule.days.length === 0 ? inner : [...inner, ...own])];
}

function checkDay(text: unknown, field: string): string {
  readExcludedDay(text, field);
  return text as string;
}

function oneOf<K extends string, V extends string>(
  options: { readonly [key in K]?: V },
  name: K,
  values: readonly V[],
): { readonly [key in K]?: V } {
  const value = options[name];
  if (value === undefined) return {};
  if (!values.includes(value)) {
    throw new InvalidInputError(`${name} must be ${values.join(" or ")}, got ${shown(value)}`, { field: name });
  }
  return { [name]: value } as { readonly [key in K]: V };
}
