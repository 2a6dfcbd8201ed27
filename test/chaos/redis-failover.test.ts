// A failover of Redis that loses the last seconds, once each way; `npm run soak redis-failover` has them twenty times.
import { expect, test } from "vitest";
import { type FailoverFaultName, playFailoverRound } from "../../scripts/proof/redis/failover-faults.ts";

const facts: readonly (readonly [string, FailoverFaultName])[] = [
  [
    "J3 after a failover that loses the last seconds, a lost lease settles nothing, and all that is left ends once",
    "primary-killed",
  ],
  ["J3 a former primary that goes on beside the new one spoils nothing of what is left", "primary-frozen"],
  ["J3 after a failover that no worker has survived, all that is left ends once", "primary-and-workers-killed"],
];

test.each(facts)(
  "%s",
  async (_fact, fault) => {
    const options = { producers: 1, workers: 2, audit: "changes", pausedMs: 0 } as const;
    const { counts, shortcomings } = await playFailoverRound(fault, options);
    expect(shortcomings).toEqual([]);
    // Else the round has shown nothing.
    expect(counts["accepted and lost"]).toBeGreaterThan(0);
  },
  180_000,
);
