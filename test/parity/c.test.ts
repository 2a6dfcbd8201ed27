// Acceptance: what users of system C (redis-distro-scheduler) have there, here. One fact per line of PARITY.md; C3, C4 and
// C6 are in files of their own.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import type { Decide } from "../../src/core/step.ts";
import {
  cron,
  type Engine,
  every,
  handle,
  InvalidCronError,
  type Scheduler,
  type SourceChange,
  scheduleSource,
  task,
} from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { rejection, rigOn } from "../runtime/rig.ts";
import { openOn, type Place, places } from "./stores.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const begin = Date.UTC(2026, 0, 1);
const report = task<unknown>("report");

describe.each(places)("on %s", (_name, makePlace) => {
  test("C5 a job longer than its lease runs once at a time, over two pods", async () => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    const runs: { readonly job: string; readonly attempt: number; readonly pod: number }[] = [];
    let running = 0;
    let most = 0;
    const pods = [0, 1].map((pod) => {
      const handler = handle(report, async (_, { job, attempt }) => {
        runs.push({ job: job.id, attempt, pod });
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => clock.after(100 * secondMs, resolve));
        running--;
      });
      return rigOn(place.engine(), clock, { handlers: [handler], worker: { lease: "10s" } });
    });
    // Its ticks come while its job still runs, ten leases long.
    await pods[0]?.scheduler.schedules.create("s", { task: report, when: every("1m") });
    for (const pod of pods) await pod.start();
    await clock.advance(10 * minuteMs);
    expect({ most, jobs: new Set(runs.map(({ job }) => job)).size }).toEqual({ most: 1, jobs: 5 });
    expect(runs.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1]);
    expect(pods.flatMap(({ named }) => named("job:lease-lost"))).toEqual([]);
    const { items } = (await pods[0]?.scheduler.schedules.history("s")) ?? { items: [] };
    expect(items.filter(({ outcome }) => outcome === "skipped").length).toBeGreaterThanOrEqual(4);
    for (const pod of pods) await pod.stop();
  });

  test("C7 one bad schedule harms no other and no process", async () => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    const ran = new Map<string, number>();
    const count = (id: string) => ran.set(id, (ran.get(id) ?? 0) + 1);
    const good = handle(report, (_, { schedule }) => void count(schedule?.id ?? ""));
    const throwing = handle(task("throwing", { retry: { attempts: 1 } }), () => {
      count("throwing");
      return Promise.reject();
    });
    const pods = [0, 1].map(() => rigOn(spoiled(place.engine()), clock, { handlers: [good, throwing] }));
    const [first] = pods;
    if (first === undefined) throw new Error("no pod");
    const { schedules } = first.scheduler;
    const refused = schedules.create("never", {
      task: report,
      when: { ...cron("* * * * *"), expression: "61 * * * *" },
    });
    expect(await rejection(refused)).toBeInstanceOf(InvalidCronError);
    for (const id of ["a", "spoiled", "z"]) await schedules.create(id, { task: report, when: every("1m") });
    await schedules.create("throws", { task: "throwing", when: every("1m") });
    for (const pod of pods) await pod.start();
    await clock.advance(10 * minuteMs);
    expect(Object.fromEntries(ran)).toEqual({ a: 10, z: 10, throwing: 10 });
    expect(await schedules.get("spoiled")).toMatchObject({ enabled: false, disabledReason: expect.any(String) });
    expect(await schedules.get("never")).toBeUndefined();
    expect((await schedules.get("spoiled"))?.disabledReason).toContain("Mars/Olympus_Mons");
    expect(pods.flatMap(({ named }) => named("worker:error"))).toEqual([]);
    for (const pod of pods) await pod.stop();
  });

  test("C9 schedules kept in the user's own table: loaded, followed, healed, and no bad row harms another", async () => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    const table = new UserTable();
    table.save("daily", "acme", "20 0 * * *", "first");
    table.save("bad", "acme", "61 * * * *", "never");
    const sent: string[] = [];
    const pods = [0, 1].map(() => {
      const handlers = [handle(report, (text) => void sent.push(String(text)))];
      return rigOn(place.engine(), clock, { handlers, sources: [table.source()] });
    });
    for (const pod of pods) await pod.start();
    const { scheduler } = pods[0] as { readonly scheduler: Scheduler };
    const list = async () =>
      (await scheduler.schedules.list()).items.map(({ tenant, id, input }) => `${tenant} ${id}: ${input}`);
    expect(await list()).toEqual(["acme reports/daily: first"]);
    const told = pods.map(({ named }) => named("worker:error").map(({ error }) => String(error)));
    for (const errors of told) expect(errors).toEqual([expect.stringContaining("record bad: ")]);

    // A row is added, changed and deleted while all runs: the feed tells it, with no load in between.
    const { loads } = table;
    table.save("hourly", "beta", "0 * * * *", "new");
    table.save("daily", "acme", "20 0 * * *", "changed");
    await clock.settle();
    expect([await list(), table.loads]).toEqual([["acme reports/daily: changed", "beta reports/hourly: new"], loads]);
    // The feed loses messages: the next load makes good.
    table.loses = true;
    table.delete("hourly");
    table.save("daily", "acme", "20 0 * * *", "changed again");
    table.save("bad", "acme", "5 0 * * *", "mended");
    await clock.advance(70 * secondMs);
    expect(await list()).toEqual(["acme reports/bad: mended", "acme reports/daily: changed again"]);
    // Each tick made one job, whichever pod fired it.
    await clock.advance(begin + 20 * minuteMs + secondMs - clock.now());
    expect(sent).toEqual(["mended", "changed again"]);
    for (const pod of pods) await pod.stop();
    table.close();
  });

  test("C11 no drift over 10 minutes at one second", async () => {
    const clock = new VirtualClock();
    const startedAt = new Map<string, number[]>();
    const handler = handle(report, async (_, { schedule }) => {
      const id = schedule?.id ?? "";
      startedAt.set(id, [...(startedAt.get(id) ?? []), clock.now()]);
      // Some take long: the next tick does not wait for them, and is not moved by them.
      if (clock.now() % (7 * secondMs) === 0) await new Promise<void>((resolve) => clock.after(2_500, resolve));
    });
    const { scheduler, start, stop } = openOn(makePlace(clock), clock, [handler]);
    const shared = { task: report, overlap: "allow" } as const;
    // Made between two seconds, so that the interval's ticks are.
    await clock.advance(417);
    await scheduler.schedules.create("cron", { ...shared, when: cron("* * * * * *") });
    await scheduler.schedules.create("interval", { ...shared, when: every("1s") });
    await start();
    await clock.advance(10 * minuteMs);
    const seconds = (offsetMs: number) => Array.from({ length: 600 }, (_, n) => begin + offsetMs + (n + 1) * secondMs);
    expect(startedAt.get("cron")).toEqual(seconds(0));
    expect(startedAt.get("interval")).toEqual(seconds(417));
    await stop();
  });
});

/** An engine whose schedule "spoiled" can no longer be evaluated: its zone has vanished from this machine's data. */
function spoiled(engine: ReturnType<Place["engine"]>): Engine {
  const spoil =
    (decide: Decide): Decide =>
    (due, now) =>
      decide(
        due.map((one) => {
          const { schedule } = one;
          if (schedule.id !== "spoiled") return one;
          const rule = { kind: "cron", expression: "* * * * *", timezone: "Mars/Olympus_Mons" } as const;
          return { ...one, schedule: { ...schedule, definition: { ...schedule.definition, rule } } };
        }),
        now,
      );
  const { schedules } = engine;
  return {
    ...engine,
    schedules: { ...schedules, fire: (request) => schedules.fire({ ...request, decide: spoil(request.decide) }) },
  };
}

interface Row {
  readonly id: string;
  readonly customer: string;
  readonly cron: string;
  readonly text: string;
}

/** A table of the user's application, and the messages that it publishes after each write. */
class UserTable {
  readonly #db = new DatabaseSync(":memory:");
  readonly #listeners = new Set<(change: SourceChange<Row>) => void>();
  loads = 0;
  loses = false;

  constructor() {
    this.#db.exec("CREATE TABLE reports (id TEXT PRIMARY KEY, customer TEXT, cron TEXT, text TEXT) STRICT");
  }

  save(id: string, customer: string, expression: string, text: string): void {
    this.#db.prepare("REPLACE INTO reports VALUES (?, ?, ?, ?)").run(id, customer, expression, text);
    this.#publish({ id });
  }

  delete(id: string): void {
    this.#db.prepare("DELETE FROM reports WHERE id = ?").run(id);
    this.#publish({ id, removed: true });
  }

  close(): void {
    this.#db.close();
  }

  source() {
    return scheduleSource<Row>({
      name: "reports",
      load: () => {
        this.loads++;
        return this.#db.prepare("SELECT * FROM reports").all() as unknown as Row[];
      },
      loadOne: (id) => this.#db.prepare("SELECT * FROM reports WHERE id = ?").get(id) as Row | undefined,
      changes: () => this.#changes(),
      toSchedule: ({ customer, cron: expression, text }) => ({
        task: report,
        tenant: customer,
        input: text,
        when: cron(expression),
      }),
    });
  }

  async *#changes(): AsyncGenerator<SourceChange<Row>> {
    const said: SourceChange<Row>[] = [];
    let wake = () => {};
    this.#listeners.add((change) => {
      said.push(change);
      wake();
    });
    for (;;) {
      const next = said.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  #publish(change: SourceChange<Row>): void {
    if (!this.loses) for (const listener of this.#listeners) listener(change);
  }
}
