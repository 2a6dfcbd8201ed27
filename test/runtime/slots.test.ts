// Handlers with slots of their own: what mostly waits takes no slot from what works, in either direction.
import { expect, test } from "vitest";
import { mintToken } from "../../src/core/id.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { rig, secondMs } from "./rig.ts";

/** A handler that waits until the test says so. */
function gated(name: string, options: Parameters<typeof handle>[2] = {}, queue = name) {
  const ends: (() => void)[] = [];
  let most = 0;
  const gate = handle(
    task(name, { queue }),
    () =>
      new Promise<void>((resolve) => {
        ends.push(resolve);
        most = Math.max(most, ends.length);
      }),
    options,
  );
  return { gate, ends, most: () => most };
}

test("J12 slots of their own are apart from the worker's, and bounded by their own number", async () => {
  const waits = gated("waits", { slots: { name: "outside", count: 4 } });
  const works = gated("works");
  const { scheduler, clock, start, stop } = rig({ handlers: [waits.gate, works.gate], worker: { concurrency: 2 } });
  await start("worker");
  for (let n = 0; n < 10; n++) await scheduler.enqueue("waits", n);
  for (let n = 0; n < 10; n++) await scheduler.enqueue("works", n);
  await clock.advance(3 * secondMs);
  expect([waits.ends.length, works.ends.length]).toEqual([4, 2]);
  for (const end of works.ends.splice(0)) end();
  await clock.advance(secondMs);
  expect([waits.ends.length, works.ends.length]).toEqual([4, 2]);
  for (const end of waits.ends.splice(0)) end();
  await clock.advance(secondMs);
  expect([waits.ends.length, waits.most()]).toEqual([4, 4]);
  await stop();
});

test("J12 handlers given slots of one name share them; one name with two numbers is refused", async () => {
  const slots = { name: "outside", count: 3 };
  const one = gated("one", { slots });
  const two = gated("two", { slots });
  const { scheduler, clock, start, stop } = rig({ handlers: [one.gate, two.gate] });
  await start("worker");
  for (let n = 0; n < 5; n++)
    await scheduler.enqueueMany([
      { task: "one", input: n },
      { task: "two", input: n },
    ]);
  await clock.advance(3 * secondMs);
  expect(one.ends.length + two.ends.length).toBe(3);
  const other = gated("three", { slots: { name: "outside", count: 4 } });
  expect(() => scheduler.handle(other.gate)).toThrow(/slots "outside" are given 3 and 4 times/);
  await stop();
});

test("J12 a queue belongs to one set of slots: two tasks of it in different ones are refused, by name", () => {
  const apart = gated("apart", { slots: { name: "outside", count: 1 } }, "mail");
  const here = gated("here", {}, "mail");
  expect(() => rig({ handlers: [apart.gate, here.gate] })).toThrow(
    /tasks "apart" and "here" run in different slots, so they cannot share the queue "mail"/,
  );
});

test("J12 a handler of any task in slots of its own takes what no other handler's queue has", async () => {
  const named = gated("named");
  const seen: string[] = [];
  const any = handle.default((_input, ctx) => void seen.push(ctx.job.task), { slots: { name: "outside", count: 2 } });
  const { scheduler, clock, start, stop } = rig({ handlers: [named.gate, any], worker: { concurrency: 1 } });
  await start("worker");
  for (let n = 0; n < 3; n++) await scheduler.enqueue("named", n);
  await scheduler.enqueue("other", 0, { queue: "elsewhere" });
  await scheduler.enqueue("another", 0);
  await clock.advance(3 * secondMs);
  expect([named.ends.length, [...seen].sort()]).toEqual([1, ["another", "other"]]);
  await stop();
});

test("J12 slots come and go with their handlers while the worker runs", async () => {
  const first = gated("first");
  const { scheduler, clock, start, stop } = rig({ handlers: [first.gate], worker: { concurrency: 1 } });
  await start("worker");
  const apart = gated("apart", { slots: { name: "outside", count: 2 } });
  scheduler.handle(apart.gate);
  for (let n = 0; n < 4; n++)
    await scheduler.enqueueMany([
      { task: "first", input: n },
      { task: "apart", input: n },
    ]);
  await clock.advance(3 * secondMs);
  expect([first.ends.length, apart.ends.length]).toEqual([1, 2]);
  const shared = gated("apart");
  scheduler.handle(shared.gate);
  for (const end of [...first.ends.splice(0), ...apart.ends.splice(0)]) end();
  await clock.advance(3 * secondMs);
  expect([first.ends.length + shared.ends.length, apart.ends.length]).toEqual([1, 0]);
  await stop();
});

test("J8 a job in slots of its own hears of its cancellation, and J9 is given back by a stop", async () => {
  const reasons: unknown[] = [];
  const apart = handle(
    task("apart", { queue: "apart" }),
    (_input, ctx) =>
      new Promise((_, reject) => {
        ctx.signal.addEventListener("abort", () => {
          reasons.push((ctx.signal.reason as { code: string }).code);
          reject(ctx.signal.reason);
        });
      }),
    { slots: { name: "outside", count: 2 } },
  );
  const { scheduler, clock, start, stop } = rig({ handlers: [apart] });
  await start("worker");
  const cancelled = await scheduler.enqueue("apart", 1);
  const released = await scheduler.enqueue("apart", 2);
  await clock.advance(secondMs);
  await scheduler.jobs.cancel(cancelled.id);
  await clock.advance(15 * secondMs);
  expect((await scheduler.jobs.get(cancelled.id))?.state).toBe("cancelled");
  await stop();
  expect(reasons).toEqual(["ATTEMPT_CANCELLED", "ATTEMPT_ABORTED"]);
  expect(released.outcome).toBe("created");
});

test("J4 jobs of a handler that only waits begin side by side, however many workers have died under them", async () => {
  const clock = new VirtualClock();
  const engine = memory({ clock });
  const begun: unknown[] = [];
  const apart = handle(
    task("apart", { queue: "apart" }),
    (input) => {
      begun.push(input);
      return new Promise(() => {});
    },
    { slots: { name: "outside", count: 5 }, waits: true },
  );
  const { scheduler, start, stop } = rig({ clock, engine, handlers: [apart] });
  await scheduler.enqueueMany([1, 2, 3].map((input) => ({ task: "apart", input })));
  let crashes = 0;
  for (let life = 1; life <= 10; life++) {
    const wants = [{ queue: "apart", limit: 3 }];
    const lease = { worker: `dead-${life}`, leaseMs: 1_000, wants, limit: 3, starts: 3, bytesMax: 1_000 };
    for (let claim = 1; claim <= 3; claim++) {
      const { jobs } = await engine.jobs.claim({ ...lease, claimId: mintToken([life, claim]) });
      for (const job of jobs) crashes = Math.max(crashes, job.crashes);
    }
    await clock.advance(1_000);
  }
  expect(crashes).toBe(9);
  await start("worker");
  await clock.advance(secondMs);
  expect(begun.sort()).toEqual([1, 2, 3]);
  await stop();
});
