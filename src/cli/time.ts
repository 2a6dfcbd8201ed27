// Instants as people read and write them: RFC 3339, and how far from now.
import { shown } from "../core/duration.ts";
import { checkInstant } from "../core/instant.ts";
import { formatDuration, InvalidInputError, isPunctualError, parseDuration } from "../index.ts";

/** An instant in the past: RFC 3339, or a duration ago such as "1h". @throws InvalidInputError naming the option */
export function pastInstant(text: string, option: string, now: number = Date.now()): Date {
  if (/^\d{4}-/.test(text)) return new Date(checkInstant(text, option));
  try {
    return new Date(now - parseDuration(text, option));
  } catch (error) {
    // One that is too long says how long it may be.
    if (isPunctualError(error) && error.details !== undefined) throw error;
    const message = `${option} must be an instant such as 2026-11-21T09:00:00Z or how long ago such as 1h, got ${shown(text)}`;
    throw new InvalidInputError(message, { field: option });
  }
}

/** The same, when the option was given. */
export function optionalPastInstant(text: string | undefined, option: string): Date | undefined {
  return text === undefined ? undefined : pastInstant(text, option);
}

/** An instant in RFC 3339 UTC and how far from `now` it is: "2026-11-21T09:00:00Z (in 5m)". */
export function instant(at: Date, now: number = Date.now()): string {
  return `${rfc3339(at)} (${relative(at.getTime() - now)})`;
}

/** The same, or undefined. */
export function optionalInstant(at: Date | undefined, now?: number): string | undefined {
  return at === undefined ? undefined : instant(at, now);
}

/** RFC 3339 in UTC; milliseconds only when there are any. */
export function rfc3339(at: Date): string {
  return at.toISOString().replace(".000Z", "Z");
}

/** An instant as a wall clock `offsetMs` ahead of UTC shows it: "2026-03-29T03:00:00+02:00". */
export function withOffset(at: Date, offsetMs: number): string {
  const wall = new Date(at.getTime() + offsetMs)
    .toISOString()
    .slice(0, -1)
    .replace(/\.000$/, "");
  const seconds = Math.abs(offsetMs) / 1000;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  // Offsets with seconds are those of local mean time, before there were zones.
  const shown = parts.slice(0, seconds % 60 === 0 ? 2 : 3).map((part) => String(part).padStart(2, "0"));
  return `${wall}${offsetMs < 0 ? "-" : "+"}${shown.join(":")}`;
}

/** "in 5m", "3h10m ago", "now"; two units at most. */
export function relative(ms: number): string {
  const away = Math.abs(ms);
  if (away < 500) return "now";
  const text = rounded(away);
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

/** How late something was: milliseconds below 10 s, then two units at most; undefined when it was early. */
export function lateness(ms: number): string | undefined {
  if (ms < 0) return undefined;
  return ms < 10_000 ? formatDuration(ms) : rounded(ms);
}

function rounded(ms: number): string {
  const unitMs = ms < 3_600_000 ? 1000 : ms < 86_400_000 ? 60_000 : 3_600_000;
  return formatDuration(Math.round(ms / unitMs) * unitMs);
}
