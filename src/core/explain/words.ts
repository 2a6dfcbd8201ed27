// Instants, spans and counts as the sentences of an explanation say them.
import type { Millis } from "../clock.ts";
import { formatDuration } from "../duration.ts";
import type { ErrorRecord } from "../job.ts";

/** "2026-11-21T09:00:00Z (in 5m)". */
export function at(instant: Millis, now: Millis): string {
  return `${rfc3339(instant)} (${away(instant - now)})`;
}

/** "2026-11-21T09:00:00Z"; milliseconds only when there are any. */
export function rfc3339(instant: Millis): string {
  return new Date(instant).toISOString().replace(".000Z", "Z");
}

/** "in 5m", "3h10m ago", "now". */
function away(ms: number): string {
  if (Math.abs(ms) < 500) return "now";
  return ms > 0 ? `in ${span(ms)}` : `${span(ms)} ago`;
}

/** A span in two units at most. */
export function span(ms: number): string {
  const length = Math.abs(ms);
  const unitMs = length < 1_000 ? 1 : length < 3_600_000 ? 1_000 : length < 86_400_000 ? 60_000 : 3_600_000;
  return formatDuration(Math.round(length / unitMs) * unitMs);
}

/** "1 job", "2 jobs". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "TypeError: no such account", on one line. */
export function errorText({ name, message }: ErrorRecord): string {
  return oneLine(`${name}: ${message}`);
}

/** The first line of a text, cut where nobody reads on. */
export function oneLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
