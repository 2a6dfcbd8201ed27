// Each fault of the PostgreSQL chaos proof once, with leases of 2 s; `npm run soak postgres-chaos` has them twenty times.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FaultName, playRound } from "../../scripts/proof/postgres/faults.ts";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.close());

const facts: readonly (readonly [string, FaultName, "changes" | "all"])[] = [
  ["J4 under load, the jobs of a worker killed with kill -9 end once, and all else goes on", "worker-killed", "all"],
  ["O1 under load, an immediate stop and start of the server loses no job, timer or tick", "server-crashed", "changes"],
  ["J15 under load, a settle whose request or answer is lost ends its job once", "settle-cut", "all"],
  ["O1 under load, a server that hangs for longer than a lease loses and doubles nothing", "server-paused", "changes"],
  ["T6 under load, a cut LISTEN connection costs wake-ups only, until it is there again", "listen-cut", "changes"],
];

test.each(facts)(
  "%s",
  async (_fact, fault, audit) => {
    const { counts, shortcomings } = await playRound(fault, server, {
      producers: 1,
      workers: 2,
      audit,
      pausedMs: 5_500,
    });
    expect(shortcomings).toEqual([]);
    expect(counts).toMatchObject({ "accepted by producers": expect.any(Number), "ticks fired": expect.any(Number) });
  },
  120_000,
);
