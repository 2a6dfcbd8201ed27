// The smallest gap between two ticks of a rule (N2): the same whenever it is asked, from nothing but the rule.
import type { Millis } from "./clock.ts";
import { smallestGapMs } from "./cron/next.ts";
import { type Rule, ruleZones, type UnionRule } from "./rule.ts";
import { compiled, nextTick, type TickContext } from "./tick.ts";

const dayMs = 86_400_000;

/** Each rule of a union is walked over so many ticks, from a fixed instant, fewer where there are many rules. */
const walkMax = 10_000;
const walkMin = 100;
const looksMax = 200_000;
const walkFrom: Millis = Date.UTC(2024, 0, 1);
const walkMsMax = 146_097 * dayMs;

/**
 * The smallest gap between two ticks of a rule in ms; Infinity for a single tick.
 * - cron: exact, over the whole cycle of 400 years, in wall time: clock changes are left out.
 * - `every`: its period. `everyCalendar`: its units, a month as 28 and a year as 365 days.
 * - union: of its rules, and between them over up to 10,000 ticks of each from 2024 on. Cron rules of one zone are compared
 *   in wall time as well; rules of several zones come nearer to each other when the clocks of one have changed, and that
 *   counts. An `every` without an anchor counts as if set at midnight.
 * - except: that of its rule, as what is left out only widens gaps.
 */
export function smallestRuleGapMs(rule: Rule, context: TickContext): number {
  switch (rule.kind) {
    case "cron":
      return smallestGapMs(compiled(rule.expression, context.seed));
    case "every":
      return rule.everyMs;
    case "every-calendar":
      return ((rule.years ?? 0) * 365 + (rule.months ?? 0) * 28 + (rule.weeks ?? 0) * 7 + (rule.days ?? 0)) * dayMs;
    case "once":
      return Number.POSITIVE_INFINITY;
    case "except":
      return smallestRuleGapMs(rule.rule, context);
    case "union":
      return smallestUnionGap(rule, context);
  }
}

function smallestUnionGap(union: UnionRule, { seed }: TickContext): number {
  const context = { seed, ruleSetAt: walkFrom };
  const rules = ruleZones(union).length === 1 && ofWallTime(union) ? union.rules.map(inWallTime) : union.rules;
  const looks = 2 * rules.length * (rules.length - 1);
  const ticks = Math.max(walkMin, Math.min(walkMax, Math.floor(looksMax / Math.max(1, looks))));
  let smallest = Math.min(...union.rules.map((part) => smallestRuleGapMs(part, context)));
  for (const [index, rule] of rules.entries()) {
    const others = rules.filter((_, other) => other !== index);
    smallest = walk(rule, others, context, smallest, ticks);
  }
  return smallest;
}

/** Looks, from each tick of one rule, for a nearer tick of the others on either side. */
function walk(rule: Rule, others: readonly Rule[], context: TickContext, known: number, ticks: number): number {
  let smallest = known;
  let tick = nextTick(rule, walkFrom - 1, context);
  for (let walked = 0; tick !== undefined && walked < ticks && tick < walkFrom + walkMsMax; walked++) {
    for (const other of others) {
      // Only what is nearer than `smallest` matters. A tick at the same instant is the same tick.
      const from = Number.isFinite(smallest) ? tick - smallest : tick;
      for (let near = nextTick(other, from, context); near !== undefined && near < tick; ) {
        smallest = tick - near;
        near = nextTick(other, near, context);
      }
      const after = nextTick(other, tick, context);
      if (after !== undefined) smallest = Math.min(smallest, after - tick);
    }
    tick = nextTick(rule, tick, context);
  }
  return smallest;
}

/** Whether a rule is made of cron rules, and excludes no instants. */
function ofWallTime(rule: Rule): boolean {
  switch (rule.kind) {
    case "cron":
      return true;
    case "union":
      return rule.rules.every(ofWallTime);
    case "except":
      return rule.instants.length === 0 && ofWallTime(rule.rule) && rule.rules.every(ofWallTime);
    default:
      return false;
  }
}

/** The same rule on a clock that never changes. */
function inWallTime(rule: Rule): Rule {
  switch (rule.kind) {
    case "cron":
      return { ...rule, timezone: "UTC" };
    case "union":
      return { ...rule, rules: rule.rules.map(inWallTime) };
    case "except":
      return { ...rule, rule: inWallTime(rule.rule), rules: rule.rules.map(inWallTime), timezone: "UTC" };
    default:
      return rule;
  }
}
