// Instants at the public edge: a Date, or a text with a zone.
import { instantMax, type Millis } from "./clock.ts";
import { durationMsMax, shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

const withZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * Reads an instant: a valid Date, or RFC 3339 text that names its offset (`2026-11-21T09:00:00Z`).
 * @throws InvalidInputError for a text without a zone, an impossible date, a number.
 */
export function checkInstant(value: unknown, field: string): Millis {
  if (value instanceof Date) {
    const at = value.getTime();
    if (!Number.isNaN(at)) return at;
  } else if (typeof value === "string" && withZone.test(value)) {
    const at = Date.parse(value);
    // Date.parse rolls February 30 over into March; what comes back must be what was written.
    if (!Number.isNaN(at) && isRealDay(value.slice(0, 10))) return at;
  }
  throw new InvalidInputError(
    `${field} must be a valid Date or a text with a zone such as "2026-11-21T09:00:00Z", got ${shown(value)}`,
    { field },
  );
}

/** @throws InvalidInputError when the instant is more than 100 years away from `now`. */
export function checkNear(at: Millis, now: Millis, field: string): Millis {
  if (at - now <= durationMsMax && Math.abs(at) <= instantMax) return at;
  throw new InvalidInputError(`${field} must be within 100 years, got ${shown(new Date(at))}`, { field });
}

function isRealDay(day: string): boolean {
  const at = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day);
}
