// Limits of claims as users write them: of a queue, or of a tenant.
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import type { RateLimit } from "../core/queue.ts";

/** @throws InvalidInputError unless it is a whole number of 1 or more */
export function checkCount(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidInputError(`${field} must be a whole number of 1 or more, got ${shown(value)}`, { field });
}

/** @throws InvalidInputError */
export function checkRate(rate: { readonly count: number; readonly per: Duration }, field: string): RateLimit {
  refuseUnknown(rate, ["count", "per"], field);
  const count = checkCount(rate.count, `${field}.count`);
  return { count, periodMs: parseDuration(rate.per, `${field}.per`, { minMs: 1 }) };
}
