// Pearson's chi-squared statistic against the uniform distribution, and how long values rise or fall in a row.

/** The statistic for values in [0, span) over equal bins; small is uniform. */
export function chiSquared(values: readonly number[], span: number, bins: number): number {
  const counts = Array.from({ length: bins }, () => 0);
  for (const value of values) {
    const bin = Math.floor((value / span) * bins);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const expected = values.length / bins;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The value that uniform values exceed once in 100 times, by degrees of freedom (bins less one). */
export const chiSquaredCritical = { 9: 21.666, 29: 49.588 } as const;

/** The most values in a row that only rise, or only fall. */
export function longestRun(values: readonly number[]): number {
  let longest = 1;
  let run = 1;
  let direction = 0;
  for (const [index, value] of values.entries()) {
    const step = Math.sign(value - (values[index - 1] ?? value));
    run = step === direction && step !== 0 ? run + 1 : 2;
    direction = step;
    longest = Math.max(longest, run);
  }
  return longest;
}
