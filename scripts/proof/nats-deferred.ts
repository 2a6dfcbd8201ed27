// Proof of J5 on NATS with 100,000 and 1,000,000 jobs that are due much later: those that are due now start on time, spread or
// all at one instant; how fast jobs are published, how long a process takes to open such a store, and what memory the server
// and each process need.
// Usage: node --conditions=source scripts/proof/nats-deferred.ts [--deferred 100000,1000000] [--together 5000] [--sync always]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type NatsServer, startNats } from "../services/nats.ts";
import { DeferredProcess, type Size } from "./nats/deferred-told.ts";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    deferred: { type: "string", default: "100000,1000000" },
    /** How many are due at one instant. */
    together: { type: "string", default: "5000" },
    /** As nats-server's `sync_interval`; its own default where nothing is said. */
    sync: { type: "string" },
  },
});
const together = Number(flags.together);
const spread = { jobs: 2_000, withinMs: 10_000 } as const;
const dayMs = 86_400_000;
/** Due times begin so long after jobs are begun to be enqueued. */
const leadMs = 4_000;
/** How long the last job that is due may stay away; far more than it does. */
const patienceMs = 60_000;
/** What a proof must hold; the figures are to be better by far. */
const limits = { perSecond: 5_000, spreadMs: 260, togetherMs: 1_500, earlyMs: 1, bytesPerJob: 3_000 } as const;

const verdict = new Verdict();
for (const deferred of flags.deferred.split(",").map(Number)) {
  const server = await startNats({ inMemory: false, ...(flags.sync && { syncInterval: flags.sync }) });
  try {
    await prove(server, deferred);
  } finally {
    await server.close();
  }
}
verdict.conclude("nats-deferred");

async function prove(server: NatsServer, deferred: number): Promise<void> {
  console.log(`\n${deferred.toLocaleString("en")} jobs that are due tomorrow`);
  const producer = new DeferredProcess(server.url);
  await producer.tell({ do: "open", works: false });
  const empty = (await producer.tell({ do: "size" })) as Size;
  const filling = { jobs: deferred, dueFrom: Date.now() + dayMs, dueWithinMs: dayMs };
  const filledMs = (await producer.tell({ do: "fill", filling })) as number;
  const perSecond = Math.round((deferred / filledMs) * 1_000);
  verdict.figure("published, jobs/s", perSecond);
  verdict.require(perSecond >= limits.perSecond, `${perSecond} jobs/s are published, of ${limits.perSecond}`);
  await tellServer(server);
  tellProcess("the process that published", (await producer.tell({ do: "size" })) as Size, empty, deferred);

  const worker = new DeferredProcess(server.url);
  verdict.figure(
    "a worker opens such a store in, ms",
    Math.round((await worker.tell({ do: "open", works: true })) as number),
  );
  tellProcess("the worker", (await worker.tell({ do: "size" })) as Size, empty, deferred);

  await proveLateness(producer, worker, { jobs: spread.jobs, withinMs: spread.withinMs, p99Ms: limits.spreadMs });
  await proveLateness(producer, worker, { jobs: together, withinMs: 0, p99Ms: limits.togetherMs });
  await worker.end();
  await producer.end();
}

async function tellServer(server: NatsServer): Promise<void> {
  const { mem } = (await server.monitor("/varz")) as { readonly mem: number };
  const { storage } = (await server.monitor("/jsz")) as { readonly storage: number };
  verdict.figure("the server's memory, MB", Math.round(mem / 1e6));
  verdict.figure("the stream on its disk, MB", Math.round(storage / 1e6));
}

function tellProcess(who: string, { rss, heap }: Size, empty: Size, jobs: number): void {
  const perJob = Math.round((heap - empty.heap) / jobs);
  verdict.figure(`${who}: memory, MB`, Math.round(rss / 1e6));
  verdict.figure(`${who}: bytes for each deferred job`, perJob);
  verdict.require(perJob <= limits.bytesPerJob, `${who} needs ${perJob} bytes for each job, of ${limits.bytesPerJob}`);
}

interface Probes {
  readonly jobs: number;
  readonly withinMs: number;
  /** What the 99th percentile of their lateness may be. */
  readonly p99Ms: number;
}

async function proveLateness(
  producer: DeferredProcess,
  worker: DeferredProcess,
  { jobs, withinMs, p99Ms }: Probes,
): Promise<void> {
  const seen = ((await worker.tell({ do: "lateness" })) as readonly number[]).length;
  const dueFrom = Date.now() + leadMs;
  const filledMs = (await producer.tell({ do: "fill", filling: { jobs, dueFrom, dueWithinMs: withinMs } })) as number;
  verdict.require(
    filledMs < leadMs,
    `it took ${Math.round(filledMs)} ms to publish ${jobs} jobs: they were late before`,
  );
  const until = dueFrom + withinMs + patienceMs;
  let values: readonly number[] = [];
  while (values.length < jobs && Date.now() < until) {
    await sleep(500);
    values = ((await worker.tell({ do: "lateness" })) as readonly number[]).slice(seen);
  }
  const sorted = values.toSorted((a, b) => a - b);
  const p99 = percentile(sorted, 0.99);
  const what = withinMs === 0 ? "due at one instant" : `due within ${withinMs / 1_000} s`;
  const shown = [percentile(sorted, 0.5), p99, percentile(sorted, 1)].map((ms) => ms.toFixed(1)).join(" / ");
  verdict.figure(`${jobs.toLocaleString("en")} ${what}: lateness p50 / p99 / max, ms`, shown);
  verdict.require(values.length === jobs, `of ${jobs} jobs ${what}, ${values.length} began`);
  verdict.require(p99 <= p99Ms, `jobs ${what} began ${p99.toFixed(0)} ms late at the 99th percentile, of ${p99Ms}`);
  verdict.require((sorted[0] ?? 0) >= -limits.earlyMs, `a job ${what} began ${-(sorted[0] ?? 0)} ms early`);
}
