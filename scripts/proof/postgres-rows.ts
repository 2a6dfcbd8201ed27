// What row-level security costs: the same calls of a tenant as a role that the policies bind (punctual_app) and as one that
// sees all rows (punctual_worker), in turns; and that the bound role sees its own rows alone.
// Usage: node --conditions=source scripts/proof/postgres-rows.ts [--rounds 40] [--batch 500]
import { parseArgs } from "node:util";
import { Client } from "pg";
import { postgres } from "../../src/engines/postgres/index.ts";
import { createScheduler } from "../../src/index.ts";
import { startPostgres } from "../services/postgres.ts";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "40" }, batch: { type: "string", default: "500" } },
});
const rounds = Number(flags.rounds);
const batch = Number(flags.batch);

const verdict = new Verdict();
const server = await startPostgres();
const url = await server.newDatabase();
const owner = createScheduler({ engine: postgres(url) });
await owner.enqueue("other", {}, {});
const admin = new Client({ connectionString: url });
await admin.connect();

/** A scheduler whose connections log in as a member of a role. */
async function memberOf(role: string) {
  const login = `${role}_login`;
  await admin.query(`CREATE ROLE ${login} LOGIN IN ROLE ${role}`);
  const own = new URL(url);
  own.username = login;
  return createScheduler({ engine: postgres(own.href, { migrate: false }) });
}

const bound = await memberOf("punctual_app");
const free = await memberOf("punctual_worker");
const items = Array.from({ length: batch }, (_, sequence) => ({ task: "work", input: { sequence } }));
const calls = {
  [`insert of ${batch}`]: (scheduler: typeof bound) => scheduler.tenant("a").enqueueMany(items),
  "insert of one": (scheduler: typeof bound) => scheduler.tenant("a").enqueue("work", {}),
  "page of 100 jobs": (scheduler: typeof bound) => scheduler.tenant("a").jobs.list({ limit: 100 }),
} as const;

for (const [name, call] of Object.entries(calls)) {
  const times = { bound: [] as number[], free: [] as number[] };
  for (let round = -3; round < rounds; round++) {
    for (const [who, scheduler] of Object.entries({ bound, free }) as ["bound" | "free", typeof bound][]) {
      const begunAt = performance.now();
      await call(scheduler);
      // The first rounds warm connections and plans.
      if (round >= 0) times[who].push(performance.now() - begunAt);
    }
  }
  const median = (who: "bound" | "free") =>
    percentile(
      times[who].sort((a, b) => a - b),
      0.5,
    );
  const cost = `${((median("bound") / median("free") - 1) * 100).toFixed(0)} %`;
  verdict.figure(name, `${median("free").toFixed(2)} ms without, ${median("bound").toFixed(2)} ms with: ${cost}`);
}

const { items: seen } = await bound.tenant("b").jobs.list({ limit: 10 });
verdict.require(seen.length === 0, "a tenant without jobs sees some");
const stats = await bound.tenant("a").stats();
verdict.require(stats.waiting >= rounds * batch, `tenant a sees ${stats.waiting} jobs of its own`);
await Promise.all([owner, bound, free].map((scheduler) => scheduler.stop()));
await admin.end();
await server.close();
verdict.conclude("postgres-rows");
