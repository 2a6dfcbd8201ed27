// Plays faults as often as asked, and adds up their figures.
import { Verdict } from "../verdict.ts";
import type { Account } from "./remains.ts";

export interface Repetition<Name extends string> {
  /** As it is called in the last line. */
  readonly proof: string;
  readonly faults: readonly (readonly [name: Name, title: string])[];
  readonly times: number;
  /** A round that does not get to its end has fallen short. */
  readonly play: (name: Name, audit: "changes" | "all") => Promise<Account>;
}

/** Prints each round and the figures of each fault; sets the exit code. */
export async function repeatFaults<Name extends string>({
  proof,
  faults,
  times,
  play,
}: Repetition<Name>): Promise<void> {
  const verdict = new Verdict();
  verdict.require(faults.length > 0 && times > 0, "nothing was played");
  for (const [name, title] of faults) {
    const sums = new Map<string, number>();
    const failures: string[] = [];
    for (let round = 1; round <= times; round++) {
      // Every other round has the whole log: it tells each end, but makes plain settles take the longer way.
      const audit = round % 2 === 0 ? "all" : "changes";
      const { counts, shortcomings } = await play(name, audit).catch((error: Error) => ({
        counts: {},
        shortcomings: [error.message],
      }));
      for (const [count, value] of Object.entries(counts)) {
        const before = sums.get(count) ?? 0;
        sums.set(count, count.endsWith("ms") || count.startsWith("...") ? Math.max(before, value) : before + value);
      }
      failures.push(...shortcomings.map((shortcoming) => `${name}, round ${round}: ${shortcoming}`));
      console.log(`${name} ${round} of ${times}: ${shortcomings.length === 0 ? "held" : shortcomings.join("; ")}`);
    }
    console.log(`\n${times} times: ${title}`);
    for (const [count, value] of sums) verdict.figure(count, value);
    verdict.none("shortcomings", failures);
  }
  verdict.conclude(proof);
}
