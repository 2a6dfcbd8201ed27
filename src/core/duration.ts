// Durations at the public edge: "1h30m" or milliseconds in, milliseconds out. Inside, everything is milliseconds.
import { InvalidInputError } from "./errors.ts";

/** A number of milliseconds, or a text of numbers with units ms, s, m, h, d, w, largest first: "90s", "1h 30m". */
export type Duration = number | string;

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const shape = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw])\s*)+$/;
const part = /(\d+(?:\.\d+)?)(ms|[smhdw])/g;

/** 100 years in milliseconds (of 365.25 days): nothing is scheduled or timed beyond it. */
export const durationMsMax: number = 100 * 365.25 * 86_400_000;

/** Bounds a duration is checked against. */
export interface DurationBounds {
  /** Smallest accepted value in milliseconds; 0 by default. */
  readonly minMs?: number;
  /** Largest accepted value in milliseconds; 100 years by default. */
  readonly maxMs?: number;
}

/**
 * Turns a duration into whole milliseconds (fractions are rounded up, so that nothing is early).
 * @throws InvalidInputError naming `field` when it is not a duration or out of bounds.
 */
export function parseDuration(value: unknown, field: string, bounds: DurationBounds = {}): number {
  const { minMs = 0, maxMs = durationMsMax } = bounds;
  const ms = toMs(value);
  if (ms === undefined) {
    throw new InvalidInputError(
      `${field} must be milliseconds or a text such as "10m" or "1h30m", got ${shown(value)}`,
      { field },
    );
  }
  if (ms < minMs || ms > maxMs) {
    throw new InvalidInputError(
      `${field} must be between ${formatDuration(minMs)} and ${formatDuration(maxMs)}, got ${shown(value)}`,
      { field, details: { minMs, maxMs } },
    );
  }
  return Math.ceil(ms);
}

function toMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || value.length > 100 || !shape.test(value)) return undefined;
  let total = 0;
  let smaller = Number.POSITIVE_INFINITY;
  for (const [, digits = "", unit = ""] of value.matchAll(part)) {
    const size = unitMs[unit] ?? 0;
    // Each unit once, largest first: "1m 1h" is more likely a slip than a wish.
    if (size >= smaller) return undefined;
    smaller = size;
    total += Number(digits) * size;
  }
  return total;
}

/** Writes milliseconds the way parseDuration reads them: 5_400_000 is "1h30m". Fractions below 1 ms are cut. */
export function formatDuration(ms: number): string {
  let rest = Math.trunc(Math.abs(ms));
  if (rest === 0) return "0ms";
  let text = ms < 0 ? "-" : "";
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ] as const) {
    const count = Math.trunc(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** A value as an error message shows it: short, quoted, never throwing. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : value.toISOString();
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
