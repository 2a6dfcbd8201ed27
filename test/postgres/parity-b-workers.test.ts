// Acceptance on PostgreSQL: what users of outbox timers (PARITY.md, B) have there, here. Workers: claims, leases, failures.
// B11's listening and B12, drift of the schema, are in reconnect.test.ts and migrations.test.ts.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { CuttingProxy } from "../../scripts/proof/postgres/proxy.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { handle, LeaseLostError, task } from "../../src/index.ts";
import { claimRequest } from "../../src/testing/conformance/builders.ts";
import { aborted, gate, rejection } from "../runtime/rig.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually, idsTold, processOn } from "./deployment.ts";
import { connected } from "./ear.ts";

vi.setConfig({ testTimeout: 60_000 });

let url: string;
let proxy: CuttingProxy;

beforeAll(async () => {
  url = await sharedPostgres();
  proxy = await CuttingProxy.before(url);
  await using client = await connected(url);
  await client.query("CREATE TABLE payments (job text)");
});

afterAll(() => proxy?.close());

test("B7 jobs start by priority, then due time, then insertion", async () => {
  const call = task<string>("call", { queue: "b7" });
  const started: string[] = [];
  const worker = processOn(url, [handle(call, (name) => void started.push(name))], { worker: { concurrency: 1 } });
  await worker.enqueue(call, "low", { priority: "low" });
  await worker.enqueueMany(["normal 1", "normal 2"].map((input) => ({ task: call, input })));
  await worker.enqueue(call, "normal 3");
  await worker.enqueue(call, "critical", { priority: "critical" });
  await worker.start();
  await eventually(() => started).toEqual(["critical", "normal 1", "normal 2", "normal 3", "low"]);
});

test("B7 two workers never share a job", async () => {
  const call = task<number>("call", { queue: "b7-shared" });
  const ran: string[] = [];
  const atWork = new Set<number>();
  const both = gate();
  const workers = [0, 1].map((worker) =>
    processOn(url, [
      handle(call, async (_, { job }) => {
        ran.push(job.id);
        atWork.add(worker);
        if (atWork.size === 2) both.open();
        await both.promise;
      }),
    ]),
  );
  const [producer] = workers;
  const made = await producer?.enqueueMany(Array.from({ length: 500 }, (_, input) => ({ task: call, input })));
  await Promise.all(workers.map((worker) => worker.start()));
  await eventually(() => producer?.stats({ queue: "b7-shared" })).toMatchObject({ totals: { completed: 500 } });
  expect(ran.toSorted()).toEqual(made?.map(({ id }) => id).toSorted());
});

test("B8 who has lost its lease settles nothing, is told so, and counts no success", async () => {
  const pay = task<number>("pay", { queue: "b8" });
  const [started, paid, refused] = [gate(), gate(), gate()];
  const refusals: unknown[] = [];
  const settings = { worker: { lease: "1s" } };
  const payments = async (client: Awaited<ReturnType<typeof connected>>) =>
    (await client.query("SELECT job FROM payments")).rows.map(({ job }) => job);
  const slow = processOn(
    proxy.urlFor(url),
    [
      handle(pay, async (_, ctx) => {
        started.open();
        await paid.promise;
        await using client = await connected(url);
        await client.query("BEGIN");
        await client.query("INSERT INTO payments VALUES ($1)", [`${ctx.job.id} late`]);
        refusals.push(await rejection(ctx.complete(client)));
        await client.query("ROLLBACK");
        refused.open();
      }),
    ],
    settings,
  );
  const quick = processOn(
    url,
    [
      handle(pay, async (_, ctx) => {
        await using client = await connected(url);
        await client.query("BEGIN");
        await client.query("INSERT INTO payments VALUES ($1)", [ctx.job.id]);
        await ctx.complete(client);
        await client.query("COMMIT");
        paid.open();
      }),
    ],
    settings,
  );
  const told = idsTold(slow);
  await slow.start();
  const { id } = await quick.enqueue(pay, 1);
  await started.promise;
  // It goes on, and nobody hears from it.
  proxy.stall(true);
  await quick.start();
  await refused.promise;
  proxy.stall(false);
  expect(refusals).toEqual([expect.any(LeaseLostError)]);
  await eventually(() => told.get("job:lease-lost")).toEqual([id]);
  expect(told.get("job:completed")).toEqual([]);
  await using client = await connected(url);
  expect(await payments(client)).toEqual([id]);
  expect(await quick.jobs.get(id)).toMatchObject({ state: "completed", attempt: 2, failures: 0 });
  expect(await quick.stats({ queue: "b8" })).toMatchObject({ totals: { completed: 1, failed: 0 } });
});

test("B9 lost claims are no failures, and a job that keeps killing its worker ends without its handler", async () => {
  const call = task<number>("call", { queue: "b9", retry: { attempts: 1 } });
  const ran: number[] = [];
  const worker = processOn(url, [handle(call, (n) => void ran.push(n))]);
  const { id } = await worker.enqueue(call, 1);
  // Workers that die at once: nobody extends what they have begun.
  const engine = postgres(url);
  await engine.open();
  for (let crash = 0; crash < 6; crash++) {
    const request = claimRequest({ wants: [{ queue: "b9", limit: 1 }], limit: 1, starts: 1, leaseMs: 1 });
    await eventually(async () => (await engine.jobs.claim(request)).jobs.length).toBe(1);
    expect(await worker.jobs.get(id)).toMatchObject({ state: "active", attempt: crash + 1, failures: 0 });
  }
  await engine.close();
  await worker.start();
  await eventually(() => worker.jobs.get(id)).toMatchObject({ state: "failed", endCause: "crashes", failures: 0 });
  expect(ran).toEqual([]);
});

test("B10 a failed job keeps its input, reason and an error cut and redacted, and can be run again", async () => {
  const call = task<{ to: string }>("call", {
    queue: "b10",
    retry: { attempts: 2, backoff: { type: "fixed", delay: 0 } },
  });
  let isMended = false;
  const worker = processOn(
    url,
    [
      handle(call, ({ to }) => {
        if (!isMended) throw new Error(`no answer, password=secret ${"x".repeat(50_000)}`);
        return `called ${to}`;
      }),
    ],
    { redact: ({ name, message }) => ({ name, message: message.replace("secret", "***") }) },
  );
  await worker.start();
  const { id } = await worker.enqueue(call, { to: "Ada" }, { metadata: { order: 7 } });
  await eventually(async () => (await worker.jobs.get(id))?.state).toBe("failed");
  const [dead] = (await worker.jobs.list({ queue: "b10", state: "failed" })).items;
  expect(dead).toMatchObject({ id, input: { to: "Ada" }, metadata: { order: 7 }, endCause: "attempts", failures: 2 });
  expect(dead?.reason).toContain("password=***");
  expect(dead?.attempts.map(({ outcome, error }) => [outcome, error?.message.slice(0, 23)])).toEqual([
    ["failed", "no answer, password=***"],
    ["failed", "no answer, password=***"],
  ]);
  expect(JSON.stringify(dead).includes("secret")).toBe(false);
  expect(JSON.stringify(dead?.attempts).length).toBeLessThan(2 * 10_000);
  isMended = true;
  await worker.jobs.retry(id);
  await eventually(() => worker.jobs.get(id)).toMatchObject({ state: "completed", output: "called Ada" });
});

test("B11 a stop lets finish what can, gives back the rest without a failure, and a start claims again", async () => {
  const call = task<string>("call", { queue: "b11" });
  const goOn = gate();
  const ran: string[] = [];
  const worker = processOn(url, [
    handle(call, async (name, { signal, attempt }) => {
      ran.push(`${name} ${attempt}`);
      if (name === "short") return await goOn.promise;
      if (attempt > 1) return;
      await aborted(signal);
      throw signal.reason;
    }),
  ]);
  await worker.start();
  const [short, long] = await worker.enqueueMany(["short", "long"].map((input) => ({ task: call, input })));
  await eventually(() => ran.toSorted()).toEqual(["long 1", "short 1"]);
  const stopped = worker.stop({ timeout: "1s" });
  goOn.open();
  await stopped;
  const other = processOn(url);
  expect((await other.jobs.get(short?.id ?? ""))?.state).toBe("completed");
  expect(await other.jobs.get(long?.id ?? "")).toMatchObject({ state: "waiting", attempt: 1, failures: 0 });
  await worker.start();
  await eventually(() => other.jobs.get(long?.id ?? "")).toMatchObject({ state: "completed", attempt: 2, failures: 0 });
});

test("B16 a handler that takes longer than its lease keeps the job", async () => {
  const call = task<number>("call", { queue: "b16" });
  const goOn = gate();
  const ran: string[] = [];
  const workers = ["first", "second"].map((name) =>
    processOn(
      url,
      [
        handle(call, async () => {
          ran.push(name);
          await goOn.promise;
        }),
      ],
      { worker: { lease: "2s" } },
    ),
  );
  const [worker] = workers;
  await Promise.all(workers.map((one) => one.start()));
  const { id = "" } = (await worker?.enqueue(call, 1)) ?? {};
  await eventually(() => ran.length).toBe(1);
  const leaseUntil = async () => (await worker?.jobs.get(id))?.leaseUntil?.getTime() ?? 0;
  const first = await leaseUntil();
  // Extended until long after the lease that it began with.
  await eventually(leaseUntil).toBeGreaterThan(first + 2_000);
  goOn.open();
  await eventually(() => worker?.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1 });
  expect(ran).toHaveLength(1);
});

test("B16 timers start in the order of their times, none too early and none a poll of 10 s late", async () => {
  const call = task<number>("call", { queue: "b16-timers" });
  const started: { n: number; delayMs: number }[] = [];
  const worker = processOn(url, [handle(call, (n, { delayMs }) => void started.push({ n, delayMs }))]);
  await worker.start();
  const producer = processOn(url);
  for (const n of [3, 1, 2]) await producer.timers.put(call, n, { key: `timer-${n}`, delay: n * 700 });
  await eventually(() => started.map(({ n }) => n)).toEqual([1, 2, 3]);
  for (const { delayMs } of started) {
    expect(delayMs).toBeGreaterThanOrEqual(0);
    expect(delayMs).toBeLessThan(10_000);
  }
});
