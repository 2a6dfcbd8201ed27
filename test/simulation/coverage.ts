// What simulated worlds must have gone through, taken together, for their silence to mean anything.

/** Every trouble and every recovery that is counted. */
export const troubles: readonly string[] = [
  "crashes",
  "pauses",
  "outages",
  "drains",
  "clock jumps",
  "returns",
  "calls slow",
  "calls not-written",
  "calls answer-lost",
  "calls call-lost",
  "calls late",
  "calls overtaken",
  "claims",
  "claims found again",
  "recoveries",
  "poison ended",
  "leases lost",
  "stale extensions",
  "stale settlements",
  "settlements made again",
  "requests accepted",
  "requests repeated by id",
  "inserts made again",
  "existing found",
  "keys refused",
  "replaced jobs",
  "successors set",
  "superseded jobs",
  "ticks fired",
  "ticks caught up",
  "ticks held",
  "ticks skipped: late",
  "ticks skipped: overlap",
  "triggers",
];

/** Those that never came about. */
export function troublesMissing(counts: ReadonlyMap<string, number>): string[] {
  return troubles.filter((trouble) => (counts.get(trouble) ?? 0) === 0);
}
