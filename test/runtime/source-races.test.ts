// C9: a schedule source beside what happens at the same moment: a stop, another replica, a record that moves.
import { describe, expect, test } from "vitest";
import { every, type SchedulerOptions, type ScheduleSource } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { type Place, places } from "../parity/stores.ts";
import { answersAfter } from "./faulty.ts";
import { gate, minuteMs, type Rig, rigOn, secondMs, unhandledRejections } from "./rig.ts";
import { type Report, Table } from "./source-table.ts";

const a: Report = { id: "a", text: "first", everySeconds: 90 };
/** The longest time between two loads. */
const reconciledMs = 1.1 * minuteMs;

type Given = Partial<Omit<SchedulerOptions<never>, "engine" | "clock">>;

interface Opened extends Rig {
  /** Stored schedules as `tenant:id`. */
  stored(): Promise<readonly string[]>;
}

function openAt(place: Place, clock: VirtualClock, source: ScheduleSource, options: Given = {}): Opened {
  const rig = rigOn(place.engine(), clock, { sources: [source], ...options });
  return {
    ...rig,
    stored: async () => (await rig.scheduler.schedules.list()).items.map(({ tenant, id }) => `${tenant}:${id}`),
  };
}

/** Says what it is told to, and rejects once it is asked after the stop: an ordinary feed that heeds its signal. */
async function* heeding<T>(said: readonly T[], signal: AbortSignal, hold: Promise<void>): AsyncGenerator<T> {
  for (const one of said) {
    signal.throwIfAborted();
    yield one;
  }
  signal.throwIfAborted();
  await hold;
}

describe.each(places)("C9 a schedule source on %s", (_name, makePlace) => {
  const open = (source: ScheduleSource, options: Given = {}) => {
    const clock = new VirtualClock();
    return openAt(makePlace(clock), clock, source, options);
  };

  test.each(["changes", "load"] as const)(
    "a stop while the store is busy with what %s said leaves no rejection behind",
    async (where) => {
      const unhandled = unhandledRejections();
      const table = new Table();
      const { promise: never } = gate();
      const source =
        where === "changes"
          ? table.deaf({ changes: ({ signal }) => heeding([{ id: "b", record: { ...a, id: "b" } }], signal, never) })
          : table.deaf({
              load: ({ signal }) => heeding([a], signal, never),
              // The store is asked whether a rule that has ended is the one that is stored.
              toSchedule: () => ({ task: "report", when: every("1m"), endAt: "2020-01-01T00:00:00Z" }),
            });
      const { faulty, clock, start, stop } = open(source);
      const asked = where === "changes" ? "schedules.put" : "schedules.get";
      const busy = gate();
      faulty.on(asked, answersAfter(busy.promise));
      await start("ticker");
      expect(faulty.calls(asked)).toHaveLength(1);
      const stopped = stop();
      busy.open();
      await stopped;
      await clock.advance(secondMs);
      expect(unhandled).toEqual([]);
    },
  );

  test("an old load does not remove a schedule that another replica has made anew", async () => {
    const table = new Table(a, { ...a, id: "b" });
    const clock = new VirtualClock();
    const place = makePlace(clock);
    let slow = gate();
    const load = async () => {
      const rows = table.load();
      await slow.promise;
      return rows;
    };
    const loader = openAt(place, clock, table.deaf({ load }));
    slow.open();
    await loader.start("ticker");
    slow = gate();
    table.rows.delete("b");
    await clock.advance(reconciledMs);
    const hearer = openAt(place, clock, table.source());
    await hearer.start("ticker");
    expect(await hearer.stored()).toEqual(["default:reports/a"]);
    table.put({ ...a, id: "b" });
    await clock.settle();
    const made = await hearer.scheduler.schedules.get("reports/b");
    expect(made?.revision).toBe(1);
    slow.open();
    await clock.settle();
    expect(await loader.scheduler.schedules.get("reports/b")).toEqual(made);
    await loader.stop();
    await hearer.stop();
  });

  test("a removal in the feed spares a schedule that another replica has made anew since it was looked at", async () => {
    const table = new Table(a);
    const { faulty, scheduler, clock, start, stop, stored } = open(table.source());
    await start("ticker");
    const looked = gate();
    faulty.on("schedules.list", answersAfter(looked.promise), 1);
    table.delete("a");
    await clock.settle();
    await scheduler.schedules.remove("reports/a");
    await scheduler.schedules.create("reports/a", { task: "report", input: "anew", when: every("90s") });
    looked.open();
    await clock.settle();
    expect(await stored()).toEqual(["default:reports/a"]);
    await stop();
  });

  test("a record that a change moves to another tenant has no schedule in the old one within a second", async () => {
    const table = new Table(a);
    const { clock, start, stop, stored } = open(table.source());
    await start("ticker");
    table.put({ ...a, tenant: "acme" });
    await clock.advance(secondMs);
    expect(await stored()).toEqual(["acme:reports/a"]);
    expect(table.loads).toBe(2);
    table.put({ ...a, id: "b" });
    await clock.advance(secondMs);
    expect([await stored(), table.loads]).toEqual([["acme:reports/a", "default:reports/b"], 2]);
    await stop();
  });

  test("a change that names its tenant speaks of no other: ids may be unique in a tenant only", async () => {
    const theirs = { ...a, tenant: "acme" };
    const table = new Table(a);
    const load = () => [...table.load(), theirs];
    const { clock, start, stop, stored } = open(table.source({ load }));
    await start("ticker");
    expect(await stored()).toEqual(["acme:reports/a", "default:reports/a"]);
    table.say({ id: "a", tenant: "globex", record: { ...a, tenant: "globex" } });
    await clock.advance(secondMs);
    expect([(await stored()).length, table.loads]).toEqual([3, 1]);
    await stop();
  });
});
