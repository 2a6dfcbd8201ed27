// `nextTicks`: the instants of a rule, without a schedule or a store.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { checkInstant } from "./instant.ts";
import { refuseUnknown } from "./options.ts";
import { checkRule, type Rule } from "./rule.ts";
import { nextTick } from "./tick.ts";

export interface NextTicksOptions {
  /** Ticks are strictly after it. */
  readonly after: Date | string;
  /** How many, 1 to 10,000; 1 by default. */
  readonly count?: number;
  /** What `H` in a cron expression is hashed from; a schedule's own ticks use its tenant and id. */
  readonly seed?: string;
}

/**
 * The next ticks of a rule, fewer when it ends. `every` without an anchor counts from `after`.
 * @throws InvalidInputError and its kin, naming the field
 */
export function nextTicks(rule: Rule, options: NextTicksOptions): Date[] {
  const checked = checkRule(rule, "rule");
  refuseUnknown(options, ["after", "count", "seed"], "");
  const { count = 1, seed = "" } = options;
  if (!Number.isInteger(count) || count < 1 || count > 10_000) {
    throw new InvalidInputError(`count must be a whole number from 1 to 10,000, got ${shown(count)}`, {
      field: "count",
    });
  }
  const after = checkInstant(options.after, "after");
  const ticks: Date[] = [];
  let tick = nextTick(checked, after, { seed, ruleSetAt: after });
  while (tick !== undefined && ticks.length < count) {
    ticks.push(new Date(tick));
    tick = nextTick(checked, tick, { seed, ruleSetAt: after });
  }
  return ticks;
}
