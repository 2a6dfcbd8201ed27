// The end of a proof: its figures, what fell short, and the exit code.

export class Verdict {
  readonly #failures: string[] = [];

  /** A figure of the proof. */
  figure(name: string, value: string | number): void {
    console.log(`  ${name.padEnd(58)} ${typeof value === "number" ? value.toLocaleString("en") : value}`);
  }

  /** A figure that must be zero; the items say which ones are not. */
  none(name: string, items: readonly string[]): void {
    this.figure(name, items.length);
    for (const item of items.slice(0, 10)) this.#failures.push(`${name}: ${item}`);
    if (items.length > 10) this.#failures.push(`${name}: and ${items.length - 10} more`);
  }

  require(holds: boolean, failure: string): void {
    if (!holds) this.#failures.push(failure);
  }

  /** Prints what fell short and sets the exit code. */
  conclude(proof: string): void {
    for (const failure of this.#failures) console.error(`  ✗ ${failure}`);
    const held = this.#failures.length === 0;
    console.log(held ? `${proof}: held` : `${proof}: ${this.#failures.length} shortcomings`);
    process.exitCode = held ? 0 : 1;
  }
}

/** The smallest value that at least `share` of the sorted values do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
