// `ensureMinimumInterval`: the check of a cron expression's smallest gap as a plain function, without a scheduler.
import { defaults } from "./defaults.ts";
import { formatDuration, shown } from "./duration.ts";
import { InvalidInputError, LimitExceededError } from "./errors.ts";
import { cron } from "./rule.ts";
import { smallestRuleGapMs } from "./smallest-gap.ts";
import { seedOf } from "./tick.ts";

const minuteMs = 60_000;

/** Limits for one customer's schedules, by the names that redis-distro-scheduler gave them; `standardGuardrails` here. */
export interface TenantGuardrailsConfig {
  /** Schedules that may be enabled at once. */
  readonly MAX_ACTIVE_SCHEDULES_PER_CUSTOMER: number;
  /** Smallest gap between two ticks, in minutes. */
  readonly MIN_INTERVAL_MINUTES: number;
}

/** 20 active schedules, 5 minutes apart: the same as `standardGuardrails`. */
export const DEFAULT_TENANT_GUARDRAILS: TenantGuardrailsConfig = Object.freeze({
  MAX_ACTIVE_SCHEDULES_PER_CUSTOMER: 20,
  MIN_INTERVAL_MINUTES: 5,
});

/**
 * Refuses a cron expression whose ticks ever come nearer to each other than so many minutes, over its whole cycle of 400
 * years: the answer is the same at any time of day. Clock changes of the zone are left out, as in
 * `guardrails.minInterval`; `H` fields are taken for a schedule without an id.
 * @param timezone IANA zone; UTC when undefined
 * @throws LimitExceededError naming limit and value; InvalidCronError, InvalidTimeZoneError, InvalidInputError
 */
export function ensureMinimumInterval(expression: string, timezone: string | undefined, minutes: number): void {
  const rule = cron(expression, timezone === undefined ? {} : { timezone });
  if (!(typeof minutes === "number" && Number.isFinite(minutes) && minutes >= 0)) {
    throw new InvalidInputError(`minutes must be 0 or more, got ${shown(minutes)}`, { field: "minutes" });
  }
  const max = minutes * minuteMs;
  const value = smallestRuleGapMs(rule, { seed: seedOf(defaults.tenant, ""), ruleSetAt: 0 });
  if (value >= max) return;
  throw new LimitExceededError(
    `minIntervalMs is ${formatDuration(max)}, the smallest gap of "${expression}" is ${formatDuration(value)}`,
    { field: "expression", details: { limit: "minIntervalMs", max, value, expression } },
  );
}
