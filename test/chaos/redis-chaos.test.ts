// Each fault of the Redis chaos proof once, with leases of 2 s; `npm run soak redis-chaos` has them twenty times.
import { expect, test } from "vitest";
import { type FaultName, playClusterRound, playRound } from "../../scripts/proof/redis/faults.ts";

const facts: readonly (readonly [string, FaultName, "changes" | "all"])[] = [
  [
    "J4 under load on Redis, the jobs of a worker killed with kill -9 end once, and all else goes on",
    "worker-killed",
    "all",
  ],
  [
    "O1 under load, a kill -9 of redis-server loses no job, timer or tick where it syncs always",
    "server-killed",
    "changes",
  ],
  ["J15 under load, a request or an answer of Redis that comes by half ends its job once", "pipeline-cut", "changes"],
  ["O1 under load, scripts that are flushed again and again are loaded again", "scripts-flushed", "changes"],
  ["O1 under load, a Redis that hangs for longer than a lease loses and doubles nothing", "server-paused", "changes"],
];
const options = { producers: 1, workers: 2, pausedMs: 5_500 } as const;
const played = { "accepted by producers": expect.any(Number), "ticks fired": expect.any(Number) };

test.each(facts)(
  "%s",
  async (_fact, fault, audit) => {
    const { counts, shortcomings } = await playRound(fault, { ...options, audit, kind: "redis", fsync: "always" });
    expect(shortcomings).toEqual([]);
    expect(counts).toMatchObject(played);
  },
  180_000,
);

test("O1 under load, a cluster's master that is killed and started loses no job, timer or tick", async () => {
  const { counts, shortcomings } = await playClusterRound({ ...options, audit: "changes" });
  expect(shortcomings).toEqual([]);
  expect(counts).toMatchObject(played);
}, 180_000);
