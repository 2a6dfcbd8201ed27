// C1, C2, C5, C9 and C10 as users of redis-distro-scheduler have them: many pods as processes, the user's own table, and a
// Redis channel that tells of its changes and loses some.
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/connect.ts";
import { createScheduler, type Scheduler } from "../../src/index.ts";
import type { PodLine } from "./source-pod-process.ts";
import { Pods, until } from "./source-pods.ts";

vi.setConfig({ testTimeout: 120_000 });

const secondMs = 1_000;

/** A store that pods share, by its URL. */
const stores: readonly (readonly [name: string, url: (pods: Pods) => string])[] = [
  ["sqlite", ({ folder }) => `sqlite:${join(folder, "store.db")}`],
  ["redis", ({ redis }) => redis.url],
];

async function operatorOf(store: string): Promise<Scheduler> {
  const scheduler = createScheduler({ engine: await connect(store) });
  onTestFinished(() => scheduler.stop());
  return scheduler;
}

const ran = (pods: Pods, text: string) => () =>
  pods.all.every(({ lines }) => lines.some((line) => line.kind === "started" && line.text === text));

test("C2: what is created, changed and deleted at run time reaches every pod", async () => {
  const pods = await Pods.create();
  // Each with a store of its own: what a pod has not heard itself it does not know.
  for (let pod = 0; pod < 3; pod++) await pods.start("memory:");
  expect(await pods.publish({ type: "created", schedule: pods.write("r", { text: "old" }) })).toBe(3);
  await until("the new report, in every pod", ran(pods, "old"));
  await pods.publish({ type: "updated", schedule: pods.write("r", { text: "new" }) });
  await until("the changed report, in every pod", ran(pods, "new"));
  pods.delete("r");
  await pods.publish({ type: "deleted", scheduleId: "r" });
  await pods.publish({ type: "created", schedule: pods.write("after", { text: "after" }) });
  await until("the report after it, in every pod", ran(pods, "after"));
  for (const { lines } of pods.all) {
    const texts = lines.filter(({ kind }) => kind === "started").map(({ text }) => text);
    // No old payload after the new one, and nothing of the deleted one after its successor.
    expect(texts).toEqual([...texts].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
  }
  expect(pods.lines("error")).toEqual([]);
});

const order = ["old", "new", "after"];

test("C2: what is changed while nobody hears reaches every pod, long before the next load", async () => {
  const pods = await Pods.create();
  pods.write("changes", { text: "old" });
  pods.write("goes", { text: "goes" });
  for (let pod = 0; pod < 3; pod++) await pods.start("memory:");
  await until("the reports, in every pod", () => ran(pods, "old")() && ran(pods, "goes")());
  await pods.cut();
  pods.delete("goes");
  const heard = [
    await pods.publish({ type: "updated", schedule: pods.write("changes", { text: "new" }) }),
    await pods.publish({ type: "deleted", scheduleId: "goes" }),
  ];
  expect(heard).toEqual([0, 0]);
  await until("the changed report, in every pod", ran(pods, "new"));
  await until("every pod, following again", async () => (await pods.followers()) === 3);
  const healed = Math.max(...pods.runs(({ text }) => text === "new").map(({ tick }) => tick)) + 2 * secondMs;
  await until("later reports", () => pods.runs(({ tick }) => tick > healed).length >= 3);
  expect(pods.runs(({ tick, text }) => tick > healed && text !== "new")).toEqual([]);
  expect(pods.lines("error")).toHaveLength(3);
});

describe.each(stores)("pods over one %s store", (_name, storeOf) => {
  test("C1: each tick runs once over pods whose clocks are 10 s apart, while connections are cut", async () => {
    const pods = await Pods.create();
    const ids = ["a", "b", "c", "d", "e"];
    for (const id of ids) pods.write(id, { text: "0" });
    const store = storeOf(pods);
    for (const offsetMs of [-5, 0, 5]) await pods.start(store, { offsetMs: offsetMs * secondMs });
    for (let round = 1; round <= 3; round++) {
      await until(`${4 * round} ticks`, () => ids.every((id) => ofSchedule(pods, id).length >= 4 * round));
      await pods.cut();
      for (const id of ids) await pods.publish({ type: "updated", schedule: pods.write(id, { text: `${round}` }) });
      await until("every pod, following again", async () => (await pods.followers()) === 3);
    }
    await until("the last payload", () => ids.every((id) => ofSchedule(pods, id).at(-1)?.text === "3"));
    await pods.stop();
    const operator = (await operatorOf(store)).tenant("acme");
    for (const id of ids) {
      const ticks = ofSchedule(pods, id).map(({ tick }) => tick);
      expect(ticks).toEqual([...new Set(ticks)]);
      const { items } = await operator.schedules.history(`reports/${id}`, { limit: 1_000 });
      const fired = items.filter(({ outcome }) => outcome === "fired").map(({ tick }) => tick.getTime());
      const pending = (await operator.jobs.list({ schedule: `reports/${id}`, state: "waiting" })).items.length;
      expect(fired.length - ticks.length).toBe(pending);
      const passed = items.reduce((sum, record) => sum + (record.outcome === "fired" ? 1 : record.count), 0);
      const span = Math.max(...items.map(lastTick)) - Math.min(...items.map(({ tick }) => tick.getTime()));
      // Every second is accounted for: the interval is kept, and no tick is lost.
      expect(passed).toBe(span / secondMs + 1);
      const texts = ofSchedule(pods, id).map(({ text }) => text);
      // An old payload never comes back.
      expect(texts).toEqual([...texts].sort());
    }
  });

  test("C5: a report that takes four leases runs once at a time", async () => {
    const pods = await Pods.create();
    pods.write("long", { text: "long", ms: 4 * secondMs, overlap: "skip" });
    for (let pod = 0; pod < 3; pod++) await pods.start(storeOf(pods), { leaseMs: secondMs });
    await until("three of them", () => pods.lines("ended").length >= 3);
    const begun = pods.runs();
    const ended = new Map(pods.lines("ended").map(({ job, at }) => [job, at]));
    for (const [index, { attempt, at }] of begun.entries()) {
      expect(attempt).toBe(1);
      expect(at).toBeGreaterThanOrEqual(ended.get(begun[index - 1]?.job ?? "") ?? 0);
    }
    expect(new Set(begun.map(({ job }) => job)).size).toBe(begun.length);
    expect(pods.lines("lease-lost")).toEqual([]);
  });

  test("C10: a report whose pod is killed runs again in another, and the schedule goes on", async () => {
    const pods = await Pods.create();
    pods.write("r", { text: "slow", ms: 3 * secondMs });
    const store = storeOf(pods);
    for (let pod = 0; pod < 3; pod++) await pods.start(store, { leaseMs: secondMs });
    await until("a report that runs", () => pods.runs().length > 0);
    const [victim] = pods.all.filter(({ lines }) => running(lines).length > 0);
    if (victim === undefined) throw new Error("no pod runs a report");
    victim.process.kill("SIGKILL");
    await victim.ended;
    const lost = running(victim.lines);
    expect(lost.length).toBeGreaterThan(0);
    await until("what it ran, again", () =>
      lost.every(({ job }) => pods.lines("ended").some((line) => line.job === job && line.attempt === 2)),
    );
    const through = Math.max(...lost.map(({ tick }) => tick));
    await until("later ticks", () => pods.runs(({ tick }) => tick > through + 2 * secondMs).length > 0);
    const operator = (await operatorOf(store)).tenant("acme");
    for (const { job } of lost) {
      // The handler says that it has ended before its end is stored.
      const outcomes = async () => (await operator.jobs.get(job))?.attempts.map(({ outcome }) => outcome);
      await expect.poll(outcomes, { timeout: 30_000 }).toEqual(["lost", "completed"]);
    }
  });
});

function ofSchedule(pods: Pods, id: string): PodLine[] {
  return pods.runs(({ schedule }) => schedule === `reports/${id}`);
}

/** Reports of a pod that began and have not ended. */
function running(lines: readonly PodLine[]): PodLine[] {
  const ended = new Set(lines.filter(({ kind }) => kind === "ended").map(({ job }) => job));
  return lines.filter(({ kind, job }) => kind === "started" && !ended.has(job));
}

function lastTick(record: { readonly tick: Date; readonly through?: Date }): number {
  return (record.through ?? record.tick).getTime();
}
