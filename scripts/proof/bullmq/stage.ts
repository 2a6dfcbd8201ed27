// What the processes of the proof have in common: one task, and what its jobs come to.
import { task } from "punctual";
import { connect } from "punctual/connect";

export interface Delivered {
  readonly n: number;
}

/** BullMQ makes its attempts; short waits, as the proof waits for them all. */
export const work = task<Delivered>("work", {
  queue: "deliveries",
  retry: { attempts: 3, backoff: { type: "exponential", delay: 50 } },
});

/** Where a process finds the store and the queue. */
export interface Places {
  /** URL of Punctual's store. */
  readonly store: string;
  readonly redis: string;
  readonly queue: string;
}

export const leaseMs = 1_500;

/** Every tenth job fails at each attempt, and every tenth from the fifth on at its first. */
export function resultOf(n: number, attemptsMade: number): { readonly doubled: number } {
  if (n % 10 === 0) throw new RangeError(`${n} never works`);
  if (n % 10 === 5 && attemptsMade === 0) throw new Error(`${n} works the second time`);
  return { doubled: 2 * n };
}

/** The store, keeping all that happens, so that all of it can be looked at. */
export function openStore(url: string) {
  const retention = { completedCountMax: 1_000_000, endedCountMax: 1_000_000 };
  return connect(url, { retention, audit: "all" });
}
