// Proof of A15: deliveries to BullMQ while their deliverer and BullMQ's worker are killed with `kill -9`; then every job has
// ended once in Punctual's store, as BullMQ's job has. Usage: node --conditions=source scripts/proof/bullmq-deliveries.ts
//   [--jobs 2000] [--kills 10] [--store sqlite | postgres]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPostgres } from "../services/postgres.ts";
import { startRedis } from "../services/redis.ts";
import { playDeliveries } from "./bullmq/deliveries.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    jobs: { type: "string", default: "2000" },
    /** Of each, the deliverer and BullMQ's worker. */
    kills: { type: "string", default: "10" },
    store: { type: "string", default: "sqlite" },
  },
});
const jobs = Number(flags.jobs);
const folder = mkdtempSync(join(tmpdir(), "punctual-deliveries-"));
const redis = await startRedis();
const server = flags.store === "postgres" ? await startPostgres() : undefined;
const store = server === undefined ? `sqlite:${join(folder, "store.db")}` : await server.newDatabase();
try {
  const places = { store, redis: redis.url, queue: "deliveries" };
  const outcome = await playDeliveries(places, { jobs, killsOfEach: Number(flags.kills) });
  const verdict = new Verdict();
  verdict.figure("jobs delivered to BullMQ, scheduled on", flags.store);
  verdict.figure("completed here", outcome.completed);
  verdict.figure("failed here", outcome.failed);
  verdict.figure("kill -9 of the deliverer", outcome.kills.deliverer);
  verdict.figure("kill -9 of BullMQ's worker", outcome.kills.worker);
  verdict.figure("jobs under a lease at the kills, the least", Math.min(...outcome.inFlightAtKills));
  verdict.figure("... and the most", Math.max(...outcome.inFlightAtKills));
  verdict.figure("deliveries made again, which found the job there", outcome.foundAgain);
  verdict.figure("jobs BullMQ ran again because its worker died", outcome.ranAgain);
  verdict.figure("seconds", Math.round(outcome.seconds));
  verdict.require(outcome.completed + outcome.failed === jobs, "not every job has ended");
  verdict.require(outcome.foundAgain > 0, "no delivery was in flight when its deliverer died");
  verdict.require(outcome.ranAgain > 0, "no job was running when BullMQ's worker died");
  verdict.none("shortcomings", outcome.shortcomings);
  verdict.conclude("bullmq-deliveries");
} finally {
  await redis.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
}
