// Acceptance: what users of system D (the weedbox scheduler in its NATS mode) have there, here: D12, D13, D15, D16.
import { expect, test, vi } from "vitest";
import { nats } from "../../src/engines/nats/index.ts";
import { createScheduler, every, type Handler, handle, type Scheduler, task } from "../../src/index.ts";
import { sharedNats } from "../servers/shared.ts";

const report = task<{ readonly n?: number }>("report");
const dayMs = 86_400_000;

/** Replicas of one program, each with a connection of its own. */
async function replicas(count: number, handlerOf: (replica: number) => Handler): Promise<Scheduler[]> {
  const { url, newDeployment } = await sharedNats();
  const name = newDeployment();
  const all = Array.from({ length: count }, (_, replica) =>
    createScheduler({ engine: nats(url, { prefix: name, stream: name }), handlers: [handlerOf(replica)] }),
  );
  await Promise.all(all.map((one) => one.start()));
  return all as Scheduler[];
}

async function stopped(all: readonly Scheduler[]): Promise<void> {
  await Promise.all(all.map((one) => one.stop()));
}

test("D13 each tick runs in one replica of three, and D12 a schedule that one removes stays removed for all", async () => {
  const ran: { readonly replica: number; readonly tick: number }[] = [];
  const all = await replicas(3, (replica) =>
    handle(report, (_input, { tick }) => {
      ran.push({ replica, tick: tick?.at.getTime() ?? 0 });
    }),
  );
  const [first, second] = all;
  await first?.schedules.create("minutes", { task: report, when: every("1s"), input: {} });
  await vi.waitFor(() => expect(ran.length).toBeGreaterThanOrEqual(4), { timeout: 20_000 });
  await second?.schedules.remove("minutes");
  const ticks = ran.map(({ tick }) => tick);
  expect(new Set(ticks).size).toBe(ticks.length);
  expect(Math.max(...ticks) - Math.min(...ticks)).toBe((ticks.length - 1) * 1_000);
  for (const one of all) expect(await one.schedules.get("minutes")).toBeUndefined();
  await stopped(all);
}, 40_000);

test("D12 ticks that nobody was there to fire are caught up by whoever comes", async () => {
  const { url, newDeployment } = await sharedNats();
  const name = newDeployment();
  const engine = () => nats(url, { prefix: name, stream: name });
  const creator = createScheduler({ engine: engine() });
  await creator.schedules.create("lonely", {
    task: report,
    when: every("1s", { anchor: new Date(Date.now() - 60_000) }),
    input: {},
  });
  // Its first tick comes due while no ticker is there.
  const { nextAt } = (await creator.schedules.get("lonely")) ?? {};
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan((nextAt?.getTime() ?? 0) + 100), { timeout: 10_000 });
  await creator.stop();
  const ran: number[] = [];
  const later = createScheduler({
    engine: engine(),
    handlers: [handle(report, (_input, { tick }) => void ran.push(tick?.at.getTime() ?? 0))],
  });
  await later.start();
  await vi.waitFor(() => expect(ran[0]).toBeGreaterThanOrEqual(nextAt?.getTime() ?? 0), { timeout: 20_000 });
  await later.stop();
}, 40_000);

test("D15 a job starts on time behind 1,500 that wait for another day, and D16 many run at once in one replica", async () => {
  let running = 0;
  let most = 0;
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const [one] = await replicas(1, () =>
    handle(report, async () => {
      most = Math.max(most, ++running);
      await gate;
      running--;
    }),
  );
  if (one === undefined) throw new Error("no replica");
  await one.enqueueMany(Array.from({ length: 1_500 }, (_, n) => ({ task: report, input: { n }, delay: dayMs })));
  await one.enqueueMany(Array.from({ length: 5 }, () => ({ task: report, input: {} })));
  await vi.waitFor(() => expect(most).toBe(5), { timeout: 10_000 });
  go();
  await vi.waitFor(async () => expect((await one.jobs.list({ state: "completed" })).items.length).toBe(5), {
    timeout: 10_000,
  });
  await stopped([one]);
}, 40_000);
