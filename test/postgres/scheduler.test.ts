// The public API from end to end on a real server, in real time: processes with pools of their own, started and stopped.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { every, handle, once, task } from "../../src/index.ts";
import { aborted, gate, unhandledRejections } from "../runtime/rig.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually, idsTold, processOn } from "./deployment.ts";
import { connected } from "./ear.ts";

vi.setConfig({ testTimeout: 60_000 });

let url: string;
let admin: Awaited<ReturnType<typeof connected>>;

beforeAll(async () => {
  url = await sharedPostgres();
  admin = await connected(url);
  await admin.query("CREATE TABLE payments (job text)");
});

afterAll(() => admin?.end());

async function payments(): Promise<string[]> {
  return (await admin.query("SELECT job FROM payments ORDER BY job")).rows.map(({ job }) => job);
}

/** A client with an open transaction. */
async function begun() {
  const client = await connected(url);
  await client.query("BEGIN");
  return client;
}

test("J1 jobs and timers of one process run in another, once each, with what they were given", async () => {
  const rejections = unhandledRejections();
  const greet = task<{ name: string }>("greet", { queue: "greet" });
  const ran: string[] = [];
  const worker = processOn(url, [
    handle(greet, ({ name }, ctx) => {
      ran.push(name);
      ctx.log(`hello ${name}`);
      return { length: name.length };
    }),
  ]);
  await worker.start();
  const producer = processOn(url);
  const { id } = await producer.enqueue(greet, { name: "Ada" }, { metadata: { from: "test" } });
  await producer.enqueueMany(["Ben", "Cyd"].map((name) => ({ task: greet, input: { name } })));
  await producer.timers.put(greet, { name: "old" }, { key: "later", delay: "1h" });
  await producer.timers.put(greet, { name: "Dee" }, { key: "later", delay: 300 });
  await eventually(() => producer.stats({ queue: "greet" })).toMatchObject({ totals: { completed: 4 } });
  expect(ran.slice(0, 3).toSorted()).toEqual(["Ada", "Ben", "Cyd"]);
  expect(ran.slice(3)).toEqual(["Dee"]);
  const job = await producer.jobs.get(id);
  expect(job).toMatchObject({ state: "completed", output: { length: 3 }, metadata: { from: "test" }, attempt: 1 });
  expect(job?.log.map(({ text }) => text)).toEqual(["hello Ada"]);
  expect(rejections).toEqual([]);
});

test("S2 two processes fire each tick of a schedule once, and each of its jobs runs once", async () => {
  const tick = task<null>("tick", { queue: "ticks" });
  const ran: number[] = [];
  const processes = [0, 1].map(() =>
    processOn(url, [handle(tick, (_, ctx) => void ran.push(ctx.tick?.at.getTime() ?? 0))]),
  );
  const [first, second] = processes;
  const outcomes = await Promise.all(
    processes.map((one) =>
      one.schedules.ensure("second", { task: tick, input: null, when: every("1s"), catchUp: "all" }),
    ),
  );
  expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(["created", "unchanged"]);
  await Promise.all(processes.map((one) => one.start()));
  await eventually(() => ran.length).toBeGreaterThanOrEqual(4);
  await first?.schedules.disable("second");
  await eventually(() => second?.stats({ queue: "ticks" })).toMatchObject({ waiting: 0, delayed: 0, active: 0 });
  const fired = (await second?.schedules.history("second", { limit: 1_000, order: "oldest" }))?.items ?? [];
  const told = fired.flatMap((one) => (one.outcome === "fired" ? [one.tick.getTime()] : []));
  expect(new Set(told).size).toBe(told.length);
  expect(ran.toSorted()).toEqual(told);
  const gaps = new Set(told.slice(1).map((at, index) => at - (told[index] ?? 0)));
  expect([...gaps].every((gap) => gap % 1_000 === 0)).toBe(true);
});

test("S4 a once in the past fires now, and only once, whoever saves it again", async () => {
  const call = task<number>("call", { queue: "once" });
  const ran: number[] = [];
  const scheduler = processOn(url, [handle(call, (n) => void ran.push(n))]);
  await scheduler.start();
  const definition = { task: call, input: 1, when: once("2026-01-01T00:00:00Z") };
  await scheduler.schedules.ensure("past", definition);
  await eventually(() => ran).toEqual([1]);
  expect((await scheduler.schedules.ensure("past", definition)).outcome).toBe("unchanged");
  expect(await scheduler.schedules.get("past")).toMatchObject({ ticksFired: 1 });
});

test("J6 a job that fails is tried again by its policy, and told failed once, after its last attempt", async () => {
  const retry = { attempts: 3, backoff: { type: "fixed", delay: 50 } } as const;
  const call = task<string>("call", { queue: "retries", retry });
  const worker = processOn(url, [
    handle(call, (name, { attempt }) => {
      if (name === "never" || attempt < 3) throw new Error(`no answer to ${attempt}`);
      return attempt;
    }),
  ]);
  const told = idsTold(worker);
  await worker.start();
  const third = await worker.enqueue(call, "third");
  const never = await worker.enqueue(call, "never");
  await eventually(() => worker.stats({ queue: "retries" })).toMatchObject({ completed: 1, failed: 1 });
  expect(await worker.jobs.get(third.id)).toMatchObject({ state: "completed", output: 3, failures: 2 });
  expect(await worker.jobs.get(never.id)).toMatchObject({ state: "failed", endCause: "attempts", failures: 3 });
  expect(told.get("job:failed")).toEqual([never.id]);
  expect(told.get("job:retrying")?.toSorted()).toEqual([third.id, third.id, never.id, never.id].toSorted());
});

test("J8 a cancellation reaches the process that runs the job without waiting for an extension", async () => {
  const call = task<number>("call", { queue: "cancels" });
  const started = gate();
  // Extended after twenty minutes: only a signal can be in time.
  const worker = processOn(
    url,
    [
      handle(call, async (_, { signal }) => {
        started.open();
        await aborted(signal);
        throw signal.reason;
      }),
    ],
    { worker: { lease: "1h" } },
  );
  const told = idsTold(worker);
  await worker.start();
  const operator = processOn(url);
  const { id } = await operator.enqueue(call, 1);
  await started.promise;
  expect(await operator.jobs.cancel(id, { actor: "ann" })).toBe("cancelling");
  await eventually(() => told.get("job:cancelled")).toEqual([id]);
  expect(await operator.jobs.get(id)).toMatchObject({ state: "cancelled", endCause: "cancelled" });
});

test("J11 a pause by one process stops the others' claims, and a resume lets them go on", async () => {
  const call = task<number>("call", { queue: "paused" });
  const ran: number[] = [];
  const worker = processOn(url, [handle(call, (n) => void ran.push(n))]);
  await worker.start();
  const operator = processOn(url);
  await operator.queues.pause("paused");
  await operator.enqueue(call, 1);
  // One that runs elsewhere shows that the worker has looked since.
  const other = task<number>("other", { queue: "not-paused" });
  worker.handle(handle(other, (n) => void ran.push(n)));
  await operator.enqueue(other, 2);
  await eventually(() => ran).toEqual([2]);
  expect(await operator.stats({ queue: "paused" })).toMatchObject({ waiting: 1, completed: 0 });
  await operator.queues.resume("paused");
  await eventually(() => ran).toEqual([2, 1]);
});

test("J1 work and completion commit together: with a rollback the job runs again, and its effect is there once", async () => {
  const pay = task<number>("pay", { queue: "pays", retry: { attempts: 3, backoff: { type: "fixed", delay: 0 } } });
  const attempts: number[] = [];
  const worker = processOn(url, [
    handle(pay, async (_, ctx) => {
      attempts.push(ctx.attempt);
      await using client = await begun();
      await client.query("INSERT INTO payments VALUES ($1)", [ctx.job.id]);
      await worker.using(client).enqueue("receipt", ctx.attempt, { queue: "receipts" });
      await ctx.complete(client, { paid: true });
      await client.query(ctx.attempt === 1 ? "ROLLBACK" : "COMMIT");
      // The job has ended all the same.
      if (ctx.attempt === 2) throw new Error("after the commit");
    }),
  ]);
  const told = idsTold(worker);
  await worker.start();
  const { id } = await worker.enqueue(pay, 1);
  await eventually(() => told.get("job:completed")).toEqual([id]);
  expect(await worker.jobs.get(id)).toMatchObject({
    state: "completed",
    output: { paid: true },
    attempt: 2,
    failures: 1,
  });
  expect(attempts).toEqual([1, 2]);
  expect(await payments()).toEqual([id]);
  expect((await worker.jobs.list({ queue: "receipts" })).items).toMatchObject([{ input: 2 }]);
  expect(told.get("job:failed")).toEqual([]);
});

test("J1 schedules, cancellations and batches of a caller's transaction stand or fall with it", async () => {
  const producer = processOn(url);
  const waiting = await producer.enqueue("call", 1, { queue: "together", delay: "1h" });
  const change = async (end: "COMMIT" | "ROLLBACK") => {
    await using client = await begun();
    const inside = producer.using(client);
    await inside.enqueueMany(
      [2, 3].map((input) => ({ task: "call", input })),
      { queue: "together", delay: "1h" },
    );
    await inside.schedules.ensure("together", { task: "call", when: every("1d") });
    expect(await inside.jobs.cancel(waiting.id)).toBe("cancelled");
    await client.query(end);
  };
  await change("ROLLBACK");
  expect(await producer.schedules.get("together")).toBeUndefined();
  expect(await producer.stats({ queue: "together" })).toMatchObject({ delayed: 1, cancelled: 0 });
  await change("COMMIT");
  expect(await producer.schedules.get("together")).toMatchObject({ enabled: true });
  expect(await producer.stats({ queue: "together" })).toMatchObject({ delayed: 2, cancelled: 1 });
});

test("J9 a stop waits for what runs and closes all connections; what does not end is another process's", async () => {
  const rejections = unhandledRejections();
  const call = task<string>("call", { queue: "drains" });
  const started = new Set<string>();
  const goOn = gate();
  const work = (name: string) =>
    handle(call, async (input, { signal }) => {
      started.add(`${input} ${name}`);
      if (input === "short") return await goOn.promise;
      if (name === "other") return;
      await aborted(signal);
      throw signal.reason;
    });
  const named = `${url}${url.includes("?") ? "&" : "?"}application_name=drained`;
  const leaving = processOn(named, [work("leaving")]);
  const [short, long] = await leaving.enqueueMany(["short", "long"].map((input) => ({ task: call, input })));
  await leaving.start();
  await eventually(() => [...started].toSorted()).toEqual(["long leaving", "short leaving"]);
  const connections = async () =>
    (await admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'drained'")).rows.length;
  expect(await connections()).toBeGreaterThan(0);
  const told = idsTold(leaving);
  const stopped = leaving.stop({ timeout: "1s" });
  goOn.open();
  await stopped;
  expect(told.get("job:completed")).toEqual([short?.id]);
  expect(await connections()).toBe(0);
  const other = processOn(url, [work("other")]);
  await other.start();
  await eventually(() => other.jobs.get(long?.id ?? "")).toMatchObject({ state: "completed", attempt: 2, failures: 0 });
  expect(rejections).toEqual([]);
});

test("J8 a job that takes longer than its timeout fails, though its handler does not listen", async () => {
  const call = task<number>("call", { queue: "timeouts", timeout: 200, retry: { attempts: 1 } });
  const goOn = gate();
  const worker = processOn(url, [handle(call, () => goOn.promise)]);
  await worker.start();
  const { id } = await worker.enqueue(call, 1);
  await eventually(() => worker.jobs.get(id)).toMatchObject({ state: "failed", failures: 1 });
  goOn.open();
});
