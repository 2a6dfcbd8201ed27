// Arithmetic of the results: percentiles, medians, rates.
import type { Span } from "../process/desk.ts";

/** The value below which a share of the values lies; NaN of none. */
export function percentile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Units of work per second of a span. */
export function perSecond(count: number, { from, to }: Pick<Span, "from" | "to">): number {
  return (count / (to - from)) * 1_000;
}
