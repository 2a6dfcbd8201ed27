// C9: schedules that live in the user's own table, on a file and in memory.
import { describe, expect, test } from "vitest";
import {
  createScheduler,
  every,
  handle,
  type SchedulerOptions,
  type ScheduleSource,
  scheduleSource,
} from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { type Place, places } from "../parity/stores.ts";
import { notWritten } from "./faulty.ts";
import { gate, minuteMs, type Rig, rejection, rigOn, secondMs, unhandledRejections } from "./rig.ts";
import { type Report, report, Table, toSchedule } from "./source-table.ts";

const a: Report = { id: "a", text: "first", everySeconds: 90 };
const b: Report = { id: "b", tenant: "acme", text: "second", everySeconds: 90 };
/** The longest time between two loads. */
const reconciledMs = 1.1 * minuteMs;

interface Opened extends Rig {
  /** The inputs of the jobs that ran. */
  readonly ran: string[];
  /** Stored schedules as `tenant:id`. */
  stored(): Promise<readonly string[]>;
  /** What was reported of sources. */
  reported(): readonly string[];
}

function openAt(place: Place, clock: VirtualClock, sources: readonly ScheduleSource[], options: Given = {}): Opened {
  const ran: string[] = [];
  const handlers = [handle(report, (input) => void ran.push(input))];
  const rig = rigOn(place.engine(), clock, { handlers, sources, ...options });
  return {
    ...rig,
    ran,
    stored: async () =>
      (await rig.scheduler.schedules.list({ limit: 100 })).items.map(({ tenant, id }) => `${tenant}:${id}`),
    reported: () =>
      rig
        .named("worker:error")
        .filter(({ where }) => where === "source")
        .map(({ error }) => (error as Error).message),
  };
}

type Given = Partial<Omit<SchedulerOptions<never>, "engine" | "clock">>;

describe.each(places)("C9 a schedule source on %s", (_name, makePlace) => {
  const open = (sources: readonly ScheduleSource[], options: Given = {}) => {
    const clock = new VirtualClock();
    return openAt(makePlace(clock), clock, sources, options);
  };

  test("makes a schedule of each active record when the ticker starts, and the ticker alone runs it", async () => {
    const table = new Table(a, b, { ...a, id: "c", active: false });
    const { scheduler, clock, start, stop, stored, ran } = open([table.source()]);
    await start("worker", "janitor");
    await clock.advance(reconciledMs);
    expect([table.loads, await stored()]).toEqual([0, []]);
    await stop();
    await start();
    expect(await stored()).toEqual(["acme:reports/b", "default:reports/a"]);
    await clock.advance(91 * secondMs);
    expect(ran.sort()).toEqual(["first", "second"]);
    const { items } = await scheduler.events.list({ type: "schedule:created" });
    expect(items.map(({ actor }) => actor)).toEqual(["source:reports", "source:reports"]);
    await stop();
  });

  test.each([
    ["an iterable", (rows: readonly Report[]) => new Set(rows)],
    ["a promise", async (rows: readonly Report[]) => rows],
    [
      "an async iterable",
      (rows: readonly Report[]) =>
        (async function* () {
          yield* rows;
        })(),
    ],
    [
      "a promise of an async iterable",
      async (rows: readonly Report[]) =>
        (async function* () {
          yield* rows;
        })(),
    ],
  ])("load may answer %s", async (_what, answer) => {
    const table = new Table(...Array.from({ length: 250 }, (_, n) => ({ ...a, id: `r${n}` })));
    const { scheduler, start, stop } = open([table.source({ load: () => answer(table.load()) })]);
    await start("ticker");
    expect((await scheduler.schedules.list({ limit: 1_000 })).items).toHaveLength(250);
    await stop();
  });

  test("what is unchanged keeps its next tick and its revision, over loads and restarts", async () => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    const table = new Table(a);
    const ran: string[] = [];
    for (let boot = 0; boot < 6; boot++) {
      const one = openAt(place, clock, [table.source()]);
      await one.start();
      await clock.advance(75 * secondMs);
      ran.push(...one.ran);
      if (boot === 5) expect(await one.scheduler.schedules.get("reports/a")).toMatchObject({ revision: 1 });
      await one.stop();
    }
    // 450 s: ticks at 90, 180, 270, 360 and 450.
    expect(ran).toHaveLength(5);
    expect(table.loads).toBeGreaterThan(6);
  });

  test("a change in the feed reaches the next fire, a removal ends it", async () => {
    const table = new Table(a, b);
    const { clock, start, stop, stored, ran } = open([table.source()]);
    await start();
    await clock.advance(89 * secondMs);
    table.put({ ...a, text: "changed" });
    table.delete("b");
    await clock.settle();
    expect(await stored()).toEqual(["default:reports/a"]);
    await clock.advance(2 * secondMs);
    expect(ran).toEqual(["changed"]);
    table.put({ ...a, active: false });
    await clock.settle();
    expect(await stored()).toEqual([]);
    await stop();
  });

  test("a change that names no record is looked up with loadOne, or by a load within a second", async () => {
    const table = new Table(a, b);
    table.terse = true;
    const loadOne = (id: string) => table.rows.get(id);
    const asked = open([table.source({ loadOne })]);
    await asked.start("ticker");
    table.put({ ...a, text: "changed" });
    table.delete("b");
    await asked.clock.settle();
    const { items } = await asked.scheduler.schedules.list();
    expect(items).toMatchObject([{ id: "reports/a", input: "changed" }]);
    expect(table.loads).toBe(1);
    await asked.stop();

    const loaded = open([table.source()]);
    await loaded.start("ticker");
    for (let n = 0; n < 50; n++) table.put({ ...a, id: `r${n}` });
    await loaded.clock.advance(secondMs);
    expect(await loaded.stored()).toHaveLength(51);
    expect(table.loads).toBe(3);
    await loaded.stop();
  });

  test("messages that are lost are made good by the next load", async () => {
    const table = new Table(a, b);
    const { clock, start, stop, stored, scheduler } = open([table.source()]);
    await start("ticker");
    table.loses = true;
    table.put({ ...a, text: "changed" });
    table.delete("b");
    table.put({ ...a, id: "c" });
    await clock.settle();
    expect(await stored()).toEqual(["acme:reports/b", "default:reports/a"]);
    await clock.advance(reconciledMs);
    expect(await stored()).toEqual(["default:reports/a", "default:reports/c"]);
    expect(await scheduler.schedules.get("reports/a")).toMatchObject({ input: "changed" });
    await stop();
  });

  test("a feed that ends or throws is reported, opened again with growing pauses, and followed by a load", async () => {
    const table = new Table(a);
    const { clock, start, stop, stored, reported } = open([table.source()]);
    await start("ticker");
    table.openings[0]?.end();
    await clock.settle();
    expect(reported()).toEqual(["source reports: the feed of changes ended; it is opened again"]);
    table.loses = true;
    table.put({ ...a, id: "b" });
    await clock.advance(secondMs);
    // What was lost while it was closed is there with the opening.
    expect([table.openings.length, await stored()]).toEqual([2, ["default:reports/a", "default:reports/b"]]);
    const openedAt: number[] = [];
    for (let n = 1; n < 6; n++) {
      const { length } = table.openings;
      const before = clock.monotonic();
      table.openings.at(-1)?.end(new Error("gone away"));
      while (table.openings.length === length) await clock.advance(100);
      openedAt.push(Math.round((clock.monotonic() - before) / secondMs));
    }
    expect(openedAt[4]).toBeGreaterThanOrEqual(12);
    expect(openedAt).toEqual(openedAt.toSorted((x, y) => x - y));
    expect(reported().slice(1)).toEqual(Array.from({ length: 5 }, () => "source reports: gone away"));
    table.loses = false;
    table.put({ ...a, id: "c" });
    await clock.settle();
    expect(await stored()).toContain("default:reports/c");
    await stop();
  });

  test("bad records of one id in two tenants are each told once, however often they are loaded", async () => {
    const source = scheduleSource<{ id: string; tenant: string }>({
      name: "reports",
      load: () => [
        { id: "a", tenant: "acme" },
        { id: "a", tenant: "globex" },
        { id: "a", tenant: "initech" },
      ],
      toSchedule: ({ tenant }) => {
        if (tenant !== "initech") throw new Error(`nothing for ${tenant}`);
        return { task: "report", tenant, when: every("1m") };
      },
    });
    const { clock, start, stop, stored, reported } = open([source]);
    await start("ticker");
    await clock.advance(5 * reconciledMs);
    expect(await stored()).toEqual(["initech:reports/a"]);
    expect(reported()).toHaveLength(2);
    await stop();
  });

  test("an error of the source itself names the source", async () => {
    const source = scheduleSource({
      name: "reports",
      load: () => {
        throw new Error("connection refused");
      },
      toSchedule: () => undefined,
    });
    const { start, stop, seen } = open([source]);
    await start("ticker");
    const [error] = seen.flatMap(({ name, event }) => (name === "worker:error" ? [event["error"]] : []));
    expect(error).toMatchObject({ message: "source reports: connection refused", details: { source: "reports" } });
    await stop();
  });

  test.each([
    ["throws in toSchedule", { ...a, broken: "no such format" }, "no such format"],
    ["is refused", { ...a, everySeconds: 0.5 }, "1s"],
    ["hits a limit", { ...a, everySeconds: 30 }, "minIntervalMs"],
    ["has an id that is none", { ...a, id: "a b" }, "1 to 128 characters"],
  ])("a record that %s is reported with its id, once, and harms no other", async (_what, bad, why) => {
    const table = new Table({ ...a, id: bad.id === "a" ? "a" : "z" }, b);
    const options = { guardrails: { minInterval: "1m" } };
    const { clock, start, stop, stored, scheduler, seen, reported } = open([table.source()], options);
    await start("ticker");
    table.loses = true;
    table.put(bad);
    table.put({ ...a, id: "c" });
    await clock.advance(5 * reconciledMs);
    expect(await stored()).toContain("default:reports/c");
    expect(reported()).toHaveLength(1);
    expect(reported()[0]).toContain(`source reports, record ${bad.id}: `);
    expect(reported()[0]).toContain(why);
    const errors = seen.flatMap(({ name, event }) => (name === "worker:error" ? [event["error"]] : []));
    expect(errors).toMatchObject([{ details: { source: "reports", record: bad.id } }]);
    // What is stored of it stays as it was.
    if (bad.id === "a")
      expect(await scheduler.schedules.get("reports/a")).toMatchObject({ input: "first", revision: 1 });
    // Well again, and then not: told again. In the feed as in a load.
    table.loses = false;
    if (bad.id === "a") table.put({ ...a, text: "mended" });
    else table.delete(bad.id);
    await clock.advance(reconciledMs);
    if (bad.id === "a") expect(await scheduler.schedules.get("reports/a")).toMatchObject({ input: "mended" });
    table.put(bad);
    await clock.settle();
    expect(reported()).toHaveLength(2);
    await stop();
  });

  test("a record without an id, or with another's, is reported, and nothing is taken for gone meanwhile", async () => {
    const table = new Table(a, b);
    const { clock, start, stop, stored, reported } = open([table.source()]);
    await start("ticker");
    table.loses = true;
    table.rows.delete("b");
    table.rows.set("nameless", { text: "x" } as Report);
    await clock.advance(2 * reconciledMs);
    expect(await stored()).toEqual(["acme:reports/b", "default:reports/a"]);
    expect(reported()).toHaveLength(1);
    expect(reported()[0]).toMatch(/at place 2 of the load: it has no id$/);
    table.rows.set("nameless", { ...a, text: "twin" });
    await clock.advance(reconciledMs);
    expect(await stored()).toEqual(["default:reports/a"]);
    expect(reported()[1]).toContain("record a: there are several records of this id");
    await stop();
  });

  test("a change whose record has another id, or that names none, is reported and changes nothing", async () => {
    const table = new Table(a, b);
    const { clock, start, stop, scheduler, reported } = open([table.source()]);
    await start("ticker");
    table.say({ id: "b", record: { ...a, text: "mixed up" } });
    for (const message of [null, {}, { id: "" }, "b"]) table.say(message as never);
    await clock.settle();
    const { items } = await scheduler.schedules.list();
    expect(items).toMatchObject([{ input: "second" }, { input: "first" }]);
    expect(reported()).toEqual([
      "source reports, record b: its change names b, the record itself a",
      ...Array.from({ length: 4 }, () => "source reports: a change names no id"),
    ]);
    await stop();
  });

  test("a tenant at its limit: the record over it is reported, and takes the place of one that goes in the same load", async () => {
    const table = new Table(a, { ...a, id: "b" });
    const options = { guardrails: { maxActiveSchedules: 2 } };
    const { clock, start, stop, stored, reported } = open([table.source()], options);
    await start("ticker");
    table.loses = true;
    table.put({ ...a, id: "c" });
    await clock.advance(reconciledMs);
    expect(reported()).toEqual([expect.stringContaining("record c: tenant default: maxActiveSchedules is 2")]);
    table.delete("a");
    table.put({ ...a, id: "d", tenant: "acme" });
    await clock.advance(reconciledMs);
    expect(await stored()).toEqual(["acme:reports/d", "default:reports/b", "default:reports/c"]);
    expect(reported()).toHaveLength(1);
    await stop();
  });

  test.each([
    ["at once", async () => Promise.reject(new Error("the database is away"))],
    [
      "midway",
      () =>
        (async function* () {
          yield a;
          throw new Error("the database is away");
        })(),
    ],
    ["by an answer that is none", () => "rows" as never],
  ])("a load that fails %s removes nothing, is reported, and is tried again", async (_how, failing) => {
    const table = new Table(a, b);
    let fails = false;
    const source = table.source({ load: () => (fails ? failing() : table.load()) });
    const { clock, start, stop, stored, reported } = open([source]);
    await start("ticker");
    fails = true;
    table.loses = true;
    table.delete("b");
    await clock.advance(5 * minuteMs);
    expect(await stored()).toEqual(["acme:reports/b", "default:reports/a"]);
    expect(reported().length).toBeGreaterThanOrEqual(5);
    fails = false;
    await clock.advance(30 * secondMs);
    expect(await stored()).toEqual(["default:reports/a"]);
    await stop();
  });

  test("an empty load is believed when the next is empty too, at once with remove, never with keep", async () => {
    for (const whenEmpty of ["confirm", "remove", "keep"] as const) {
      const table = new Table(a, b);
      const { clock, start, stop, stored, reported } = open([table.source({ whenEmpty })]);
      await start("ticker");
      table.loses = true;
      table.rows.clear();
      await clock.advance(reconciledMs);
      expect(await stored()).toHaveLength(whenEmpty === "remove" ? 0 : 2);
      expect(reported()).toHaveLength(whenEmpty === "remove" ? 0 : 1);
      // An outage that is over has done no harm; the next one begins anew.
      table.rows.set("a", a);
      await clock.advance(reconciledMs);
      expect(await stored()).toEqual(["default:reports/a"]);
      table.rows.clear();
      await clock.advance(reconciledMs);
      expect(await stored()).toHaveLength(whenEmpty === "remove" ? 0 : 1);
      await clock.advance(reconciledMs);
      expect(await stored()).toHaveLength(whenEmpty === "keep" ? 1 : 0);
      await stop();
    }
  });

  test("only ids with its prefix are its own, of every tenant", async () => {
    const table = new Table(a);
    const { scheduler, clock, start, stop, stored } = open([table.source({ idPrefix: "mine:" })]);
    for (const id of ["mine", "reports/x", "mine:stale"]) {
      await scheduler.schedules.create(id, { task: report, input: "x", when: every("1h") });
      await scheduler.schedules.create(id, { task: report, input: "x", when: every("1h"), tenant: "acme" });
    }
    await start("ticker");
    await clock.advance(2 * reconciledMs);
    expect(await stored()).toEqual([
      ...["mine", "reports/x"].map((id) => `acme:${id}`),
      ...["mine", "mine:a", "reports/x"].map((id) => `default:${id}`),
    ]);
    await stop();
  });

  test("an operator's pause stays, an operator's change is put back", async () => {
    const table = new Table(a, b);
    const { scheduler, clock, start, stop } = open([table.source()]);
    await start("ticker");
    await scheduler.schedules.disable("reports/a");
    await scheduler.schedules.update("reports/b", { input: "by hand", tenant: "acme" });
    await clock.advance(reconciledMs);
    const { items } = await scheduler.schedules.list();
    expect(items).toMatchObject([
      { id: "reports/b", input: "second", enabled: true },
      { id: "reports/a", enabled: false },
    ]);
    await stop();
  });

  test("several replicas run it: each tick makes one job, and nothing is saved twice", async () => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    const table = new Table(a, b);
    const replicas = [1, 2, 3].map(() => openAt(place, clock, [table.source()]));
    for (const replica of replicas) await replica.start();
    await clock.advance(91 * secondMs);
    table.put({ ...a, text: "changed" });
    table.delete("b");
    await clock.advance(89 * secondMs);
    await clock.advance(2 * secondMs);
    expect(replicas.flatMap(({ ran }) => ran).sort()).toEqual(["changed", "first", "second"]);
    expect(await replicas[0]?.scheduler.schedules.get("reports/a")).toMatchObject({ revision: 2 });
    expect(await replicas[0]?.stored()).toEqual(["default:reports/a"]);
    expect(replicas.flatMap(({ reported }) => reported())).toEqual([]);
    for (const replica of replicas) await replica.stop();
  });

  test.each([
    ["it", true],
    ["another replica", false],
  ])("what the feed said to %s while a load was under way is not undone by the load", async (_who, own) => {
    const table = new Table(a, b);
    const clock = new VirtualClock();
    const place = makePlace(clock);
    let slow = gate();
    const load = async () => {
      const rows = table.load();
      await slow.promise;
      return rows;
    };
    const { changes } = table;
    const loader = openAt(place, clock, [own ? table.source({ load }) : table.deaf({ load })]);
    const hearer = openAt(place, clock, [own ? table.deaf() : table.source({ changes })]);
    slow.open();
    await loader.start("ticker");
    slow = gate();
    if (own) table.rows.set("d", { ...a, id: "d" });
    await clock.advance(reconciledMs);
    if (!own) await hearer.start("ticker");
    table.put({ ...a, text: "newer" });
    table.delete("b");
    table.put({ ...a, id: "c" });
    // Not stored yet: the load would bring it back.
    if (own) table.delete("d");
    await clock.settle();
    slow.open();
    await clock.settle();
    const { items } = await loader.scheduler.schedules.list();
    expect(items).toMatchObject([{ id: "reports/a", input: "newer" }, { id: "reports/c" }]);
    expect(table.loads).toBe(own ? 2 : 3);
    await loader.stop();
    await hearer.stop();
  });

  test("a store that is away is reported; what changed meanwhile is there once it is back", async () => {
    const table = new Table(a);
    const { clock, start, stop, stored, faulty, reported } = open([table.source()]);
    await start("ticker");
    faulty.away(notWritten);
    table.put({ ...a, id: "b" });
    await clock.advance(2 * minuteMs);
    expect(reported().length).toBeGreaterThan(1);
    faulty.back();
    await clock.advance(30 * secondMs);
    expect(await stored()).toEqual(["default:reports/a", "default:reports/b"]);
    await stop();
  });

  test("stop is prompt whatever the source's calls wait for, and tells them; it may start again", async () => {
    const unhandled = unhandledRejections();
    const signals: AbortSignal[] = [];
    const waits = ({ signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal);
      return new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    };
    const table = new Table(a);
    for (const options of [{ load: waits }, { changes: waits }, { load: () => new Promise<never>(() => {}) }]) {
      const { clock, start, stop, reported } = open([table.source(options)]);
      for (let cycle = 0; cycle < 2; cycle++) {
        await start("ticker");
        await clock.advance(secondMs);
        await stop();
      }
      await clock.advance(reconciledMs);
      expect(reported()).toEqual([]);
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true, true]);
    expect(unhandled).toEqual([]);
  });

  test("a load that gives no answer is given up after 5 minutes", async () => {
    const table = new Table(a);
    let hangs = true;
    const load = () => (hangs ? new Promise<never>(() => {}) : table.load());
    const { clock, start, stop, stored, reported } = open([table.source({ load })]);
    await start("ticker");
    await clock.advance(5 * minuteMs);
    expect(reported()).toEqual(["source reports: load gave no answer within 5m"]);
    hangs = false;
    await clock.advance(secondMs);
    expect(await stored()).toEqual(["default:reports/a"]);
    await stop();
  });
});

describe("scheduleSource", () => {
  const table = new Table();
  const { load } = table;

  test.each([
    [{ name: "a b", load, toSchedule }, "name"],
    [{ name: "a", toSchedule }, "load"],
    [{ name: "a", load }, "toSchedule"],
    [{ name: "a", load, toSchedule, changes: [] }, "changes"],
    [{ name: "a", load, toSchedule, loadOne: 1 }, "loadOne"],
    [{ name: "a", load, toSchedule, idOf: "id" }, "idOf"],
    [{ name: "a", load, toSchedule, idPrefix: "" }, "idPrefix"],
    [{ name: "a", load, toSchedule, reconcileEvery: 10 }, "reconcileEvery"],
    [{ name: "a", load, toSchedule, whenEmpty: "ask" }, "whenEmpty"],
    [{ name: "a", load, toSchedule, reconcile: "1m" }, "reconcile"],
  ])("C9 refuses %j and names the option", async (options, field) => {
    expect(await rejection((async () => scheduleSource(options as never))())).toMatchObject({
      code: "INVALID_INPUT",
      field,
    });
  });

  test("C9 sources are made by scheduleSource, share no ids, and are added before start", async () => {
    const clock = new VirtualClock();
    const engine = places[0]?.[1](clock).engine();
    if (engine === undefined) throw new Error("no place");
    const made = (sources: unknown) => (async () => createScheduler({ engine, clock, sources: sources as never }))();
    expect(await rejection(made({}))).toMatchObject({ field: "sources" });
    expect(await rejection(made([{ name: "a" }]))).toMatchObject({ field: "sources[0]" });
    const [one, other] = [table.source({ name: "a" }), table.source({ name: "a/b" })];
    expect(await rejection(made([one, other]))).toMatchObject({ field: "sources[1]" });
    const scheduler = await made([one]);
    scheduler.addSources(table.source({ name: "b" }));
    await scheduler.start({ roles: ["ticker"] });
    expect(await rejection((async () => scheduler.addSources(table.source({ name: "c" })))())).toMatchObject({
      field: "sources",
    });
    await clock.settle();
    expect(table.loads).toBe(2);
    await scheduler.stop({ timeout: 0 });
  });
});
