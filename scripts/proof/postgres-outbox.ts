// Proof of J1's transactions on PostgreSQL: business transactions that write orders and enqueue their jobs, with random
// rollbacks, savepoints and crashes of their processes; then jobs and committed orders are the same, one to one by id.
// Usage: node --conditions=source scripts/proof/postgres-outbox.ts [--transactions 10000] [--processes 4]
import { parseArgs } from "node:util";
import { startPostgres } from "../services/postgres.ts";
import { playOutbox } from "./postgres/outbox.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: { transactions: { type: "string", default: "10000" }, processes: { type: "string", default: "4" } },
});
const server = await startPostgres();
const outcome = await playOutbox(await server.newDatabase(), {
  processes: Number(flags.processes),
  transactions: Number(flags.transactions),
  workers: 2,
});
await server.close();

const verdict = new Verdict();
verdict.figure("business transactions", outcome.transactions);
verdict.figure("processes killed in the middle of one", outcome.crashes);
verdict.figure("orders committed", outcome.orders);
verdict.figure("jobs in the store", outcome.jobs);
verdict.figure("transactions per second", Math.round(outcome.transactions / outcome.seconds));
verdict.require(outcome.crashes > 0, "no process was killed");
verdict.require(outcome.orders > outcome.transactions / 2, "too few orders were committed");
verdict.require(outcome.orders === outcome.jobs, `${outcome.orders} orders and ${outcome.jobs} jobs`);
verdict.none("shortcomings", outcome.shortcomings);
verdict.conclude("postgres-outbox");
