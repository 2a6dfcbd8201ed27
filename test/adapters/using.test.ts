// J1 through each library's own transaction: what the scheduler does inside it commits, rolls back and nests with it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { queryOnce } from "../../scripts/services/databases.ts";
import type { Signal } from "../../src/core/signal.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { type Context, createScheduler, every, handle, task } from "../../src/index.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { installLibraries } from "./libraries/installation.ts";
import { type EmbeddedPostgres, loadPglite } from "./libraries/libraries.ts";
import { type Library, ways } from "./ways.ts";

const openMs = 120_000;
const waitMs = 10_000;
const pay = task<number>("pay", { retry: { attempts: 3, backoff: { type: "fixed", delay: 0 } } });
const manyJobs = 20;

beforeAll(installLibraries, openMs);

describe.each(ways)("$name", ({ store, open }) => {
  let url: string;
  let pglite: EmbeddedPostgres;
  let library: Library;
  let work: (context: Context) => Promise<void>;

  const engineOf = () => (store === "postgres" ? postgres(url) : postgres(pglite));
  const schedulerOf = () =>
    createScheduler({ engine: engineOf(), handlers: [handle(pay, (_, context) => work(context))] });
  let scheduler: ReturnType<typeof schedulerOf>;

  async function rows(text: string): Promise<Record<string, unknown>[]> {
    return store === "postgres" ? await queryOnce(url, text) : (await pglite.query(text)).rows;
  }

  beforeAll(async () => {
    if (store === "postgres") url = await sharedPostgres();
    else pglite = await (await loadPglite()).PGlite.create();
    library = await open(url, pglite);
    await rows("CREATE TABLE payments (job text)");
  }, openMs);

  afterAll(async () => {
    await library.close();
    await pglite?.close();
  });

  beforeEach(async () => {
    scheduler = schedulerOf();
    // Opens the engine: a transaction of PGlite's keeps its only connection.
    await scheduler.stats();
  });

  afterEach(async () => {
    await scheduler.stop();
    await rows("DELETE FROM payments");
  });

  test("J1 nobody sees what a transaction enqueues before it commits", async () => {
    let id = "";
    await library.transaction(async (client) => {
      const inside = scheduler.using(client);
      id = (await inside.enqueue(pay, 1)).id;
      await inside.timers.put(pay, 2, { key: "seen", delay: "1h" });
      await inside.schedules.create("seen", { task: pay, input: 3, when: every("1h") });
      expect(await inside.jobs.get(id)).toMatchObject({ input: 1 });
      if (store === "postgres") {
        expect(await scheduler.jobs.get(id)).toBeUndefined();
        expect((await scheduler.timers.list({ keyPrefix: "seen" })).items).toEqual([]);
        expect(await scheduler.schedules.get("seen")).toBeUndefined();
      }
    });
    expect(await scheduler.jobs.get(id)).toMatchObject({ input: 1 });
    expect((await scheduler.timers.list({ keyPrefix: "seen" })).items).toMatchObject([{ input: 2 }]);
    expect(await scheduler.schedules.get("seen")).toMatchObject({ input: 3 });
    await scheduler.jobs.cancel(id);
    await scheduler.schedules.remove("seen");
  });

  test("J1 a rollback leaves no job, timer or schedule, and sends no signal", async () => {
    const other = engineOf();
    await other.open();
    const woken: string[] = [];
    const unwatch = await other.watch?.((signal: Signal) => woken.push(signal.kind === "wake" ? signal.queue : ""));
    const refused = library.transaction(async (client) => {
      const inside = scheduler.using(client);
      await inside.enqueue(pay, 1, { queue: "undone" });
      await inside.timers.put(pay, 2, { key: "undone", queue: "undone", delay: "1s" });
      await inside.schedules.create("undone", { task: pay, input: 3, when: every("1s") });
      throw new Error("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    let kept = "";
    await library.transaction(async (client) => {
      kept = (await scheduler.using(client).enqueue(pay, 1, { queue: "kept" })).id;
    });
    await vi.waitFor(() => expect(woken).toContain("kept"), waitMs);
    expect(woken.filter((queue) => queue !== "kept")).toEqual([]);
    await unwatch?.();
    await other.close();
    expect((await scheduler.jobs.list({ queue: "undone" })).items).toEqual([]);
    expect(await scheduler.schedules.get("undone")).toBeUndefined();
    expect(await scheduler.stats({ queue: "undone" })).toMatchObject({ waiting: 0, delayed: 0 });
    await scheduler.jobs.cancel(kept);
  });

  test("J1 a nested transaction takes its jobs with it, and the outer one keeps its own", async () => {
    const ids: string[] = [];
    await library.nested(
      async (client) => void ids.push((await scheduler.using(client).enqueue(pay, 1, { key: "nested" })).id),
      async (client) => void ids.push((await scheduler.using(client).enqueue(pay, 2, { key: "nested" })).id),
    );
    const inputs = await Promise.all(ids.map(async (id) => (await scheduler.jobs.get(id))?.input));
    expect(inputs).toEqual([undefined, 2]);
    await scheduler.jobs.cancel(ids[1] ?? "");
  });

  test("T4 a cancellation rolls back and commits with its transaction", async () => {
    const { id } = await scheduler.enqueue(pay, 1, { key: "cancelled" });
    const refused = library.transaction(async (client) => {
      await scheduler.using(client).jobs.cancel(id);
      throw new Error("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    expect((await scheduler.timers.list({ keyPrefix: "cancelled" })).items).toMatchObject([{ id }]);
    await library.transaction(async (client) => {
      await scheduler.using(client).timers.cancel({ queue: "default", key: "cancelled" });
    });
    expect((await scheduler.jobs.get(id))?.state).toBe("cancelled");
  });

  test("T5 what the scheduler refuses leaves the transaction usable", async () => {
    const { id } = await scheduler.enqueue(pay, 1, { key: "taken" });
    let kept = "";
    await library.transaction(async (client) => {
      const inside = scheduler.using(client);
      await expect(inside.enqueue(pay, 2, { key: "taken", onConflict: "error" })).rejects.toMatchObject({
        code: "KEY_IN_USE",
      });
      kept = (await inside.enqueue(pay, 3)).id;
    });
    expect(await scheduler.jobs.get(kept)).toMatchObject({ input: 3 });
    for (const job of [id, kept]) await scheduler.jobs.cancel(job);
  });

  test("T2 a transaction that finds its key taken by one that commits meanwhile goes on and commits", async () => {
    const ids: string[] = [];
    let second: Promise<unknown> | undefined;
    await library.transaction(async (client) => {
      ids.push((await scheduler.using(client).enqueue(pay, 1, { key: "raced" })).id);
      second = library.transaction(async (late) => {
        await late.query("INSERT INTO payments VALUES ('raced')");
        ids.push((await scheduler.using(late).enqueue(pay, 2, { key: "raced" })).id);
      });
      second.catch(() => {});
      if (store === "pglite") return;
      const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
      await vi.waitFor(async () => expect((await rows(waiting)).length).toBe(1), waitMs);
    });
    await second;
    expect(ids[1]).toBe(ids[0]);
    expect(await rows("SELECT job FROM payments")).toEqual([{ job: "raced" }]);
    await scheduler.jobs.cancel(ids[0] ?? "");
  });

  test("J1 calls that are made at once on one transaction take turns", async () => {
    await library.transaction(async (_client, again) => {
      const jobs = Array.from({ length: manyJobs }, (_, job) => job);
      await Promise.all(jobs.map((job) => scheduler.using(again()).enqueue(pay, job, { queue: "many" })));
    });
    const { waiting, delayed } = await scheduler.stats({ queue: "many" });
    expect(waiting + delayed).toBe(manyJobs);
  });

  test("J1 a job is completed with its effect, or with its rollback neither", async () => {
    work = async (context) => {
      await library.transaction(async (client) => {
        await client.query("INSERT INTO payments VALUES ($1::text)", [context.job.id]);
        await context.complete(client, "paid");
        if (context.attempt === 1) throw new Error("refused");
      });
    };
    const { id } = await scheduler.enqueue(pay, 1);
    await scheduler.start({ roles: ["worker"] });
    await vi.waitFor(async () => expect((await scheduler.jobs.get(id))?.state).toBe("completed"), waitMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ output: "paid", attempt: 2, failures: 1 });
    expect(await rows("SELECT job FROM payments")).toEqual([{ job: id }]);
  });
});
