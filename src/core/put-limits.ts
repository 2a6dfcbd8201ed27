// The limits that a put of a schedule is held against (N2): what it adds or changes, never what is stored already.
import { countLimit, type Guardrails, inputLimit, type LimitHit } from "./guardrails.ts";
import { canonicalJson } from "./payload.ts";
import { isActive, type Schedule, type SchedulePut } from "./schedule.ts";
import { smallestRuleGapMs } from "./smallest-gap.ts";
import { seedOf } from "./tick.ts";

/**
 * @param after the schedule as the put would leave it
 * @param countActive the tenant's active schedules now; asked only when it matters
 */
export function putLimit(
  before: Schedule | undefined,
  after: Schedule,
  put: SchedulePut,
  guardrails: Guardrails,
  countActive: () => number,
): LimitHit | undefined {
  const { definition } = after;
  const enables = isActive(after) && (before === undefined || !isActive(before));
  if (enables && guardrails.maxActiveSchedules !== undefined) {
    const hit = countLimit("maxActiveSchedules", guardrails, countActive() + 1);
    if (hit !== undefined) return hit;
  }
  const retimed = canonicalJson(before?.definition.rule) !== canonicalJson(definition.rule);
  const hit = enables || retimed ? gapLimit(after, put, guardrails) : undefined;
  return hit ?? (before?.definition.input === definition.input ? undefined : inputLimit(definition.input, guardrails));
}

/** The caller has computed the gap before, so that no store holds a lock meanwhile; where it has not, it is done here. */
function gapLimit(schedule: Schedule, put: SchedulePut, { minIntervalMs: max }: Guardrails): LimitHit | undefined {
  if (max === undefined) return undefined;
  const { definition, tenant, id, ruleSetAt } = schedule;
  const value = put.smallestGapMs ?? smallestRuleGapMs(definition.rule, { seed: seedOf(tenant, id), ruleSetAt });
  return value < max ? { limit: "minIntervalMs", max, value } : undefined;
}
