// Claims that leave while the jobs of the last one run: only where calls travel, handlers are quick and claims come back full.
import { expect, test } from "vitest";
import type { ClaimAnswer, ClaimRequest, Engine } from "../../src/core/engine.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { handle, task } from "../../src/index.ts";
import { answersAfter, type Fault, lostAnswer } from "./faulty.ts";
import { gate, PollingClock, rig, secondMs } from "./rig.ts";

const mail = task<number>("mail");

/** What one claim gives at most, beyond the free slots, where calls travel. */
const claimMax = 800;

/** A worker of an engine whose calls travel, and its claims as they were sent: with how many handlers had begun by then. */
function travelling(travels = true, around: (request: ClaimRequest) => Fault | undefined = () => undefined) {
  const clock = new PollingClock();
  const inner = memory({ clock });
  const started: number[] = [];
  const sent: { readonly request: ClaimRequest; readonly begun: number; given: number }[] = [];
  const engine: Engine = {
    ...inner,
    travels,
    jobs: {
      ...inner.jobs,
      claim: async (request) => {
        const claim = { request, begun: started.length, given: 0 };
        sent.push(claim);
        const call = async () => {
          const answer = await inner.jobs.claim(request);
          claim.given = answer.jobs.length;
          return answer;
        };
        return (await (around(request)?.(call) ?? call())) as ClaimAnswer;
      },
    },
  };
  const made = rig({ clock, engine, handlers: [handle(mail, (n) => void started.push(n))] });
  return { ...made, started, sent, look: rig({ clock, engine: inner }).scheduler };
}

function many(count: number) {
  return Array.from({ length: count }, (_, n) => ({ task: mail, input: n }));
}

test("J2 while the jobs of a full claim run, the next claim is on its way, without a slot to offer", async () => {
  const { scheduler, clock, start, started, sent } = travelling();
  await scheduler.enqueueMany(many(6_000));
  await start("worker");
  await clock.settle();
  expect([...started].sort((a, b) => a - b)).toEqual(Array.from({ length: 6_000 }, (_, n) => n));
  expect(await scheduler.stats()).toMatchObject({ waiting: 0, active: 0 });
  const ahead = sent.filter(({ request }) => request.starts === 0);
  expect(ahead.length).toBeGreaterThan(3);
  let given = 0;
  for (const claim of sent) {
    // It left before the jobs of the claim before it had run.
    if (ahead.includes(claim)) expect(claim.begun).toBeLessThan(given);
    expect(claim.request.limit).toBeLessThanOrEqual(claimMax + 5);
    given += claim.given;
  }
});

test("J2 an engine inside the process is not asked ahead", async () => {
  const { scheduler, clock, start, started, sent } = travelling(false);
  await scheduler.enqueueMany(many(3_000));
  await start("worker");
  await clock.settle();
  expect(started.length).toBe(3_000);
  expect(sent.filter(({ request, begun, given }) => request.starts === 0 && begun < given)).toEqual([]);
});

test("J9 what a claim on its way gives after the stop goes back, due at once and without a failure", async () => {
  const held = gate();
  const { scheduler, clock, start, started, sent, look } = travelling(true, ({ starts }) =>
    starts === 0 ? answersAfter(held.promise) : undefined,
  );
  await scheduler.enqueueMany(many(8_000));
  await start("worker");
  await clock.settle();
  const begun = started.length;
  expect(sent.at(-1)).toMatchObject({ request: { starts: 0 }, given: claimMax });
  expect(await scheduler.stats()).toMatchObject({ active: claimMax });
  const stopped = scheduler.stop({ timeout: "30s" });
  await clock.advance(secondMs);
  held.open();
  await clock.settle();
  await stopped;
  expect(started.length).toBe(begun);
  expect(await look.stats()).toMatchObject({ active: 0, waiting: 8_000 - begun });
  const { items } = await look.jobs.list({ state: "waiting", limit: 500 });
  expect(items.map(({ failures, attempts }) => failures + attempts.length)).toEqual(items.map(() => 0));
});

test("J15 a claim ahead whose answer is lost is made again, and every job runs once", async () => {
  let lost = 0;
  const { scheduler, clock, start, started, named } = travelling(true, ({ starts, repeat }) => {
    if (starts !== 0 || repeat === true || lost === 2) return undefined;
    lost++;
    return lostAnswer;
  });
  await scheduler.enqueueMany(many(6_000));
  await start("worker");
  await clock.advance(10 * secondMs);
  expect(lost).toBe(2);
  expect(named("worker:error").length).toBe(2);
  expect([...started].sort((a, b) => a - b)).toEqual(Array.from({ length: 6_000 }, (_, n) => n));
  expect(await scheduler.stats()).toMatchObject({ waiting: 0, active: 0 });
});

test("T6 a job that comes behind a claim on its way, before its answer is looked at, starts at once", async () => {
  let late = false;
  const { scheduler, clock, start, started } = travelling(true, ({ starts }) => {
    if (starts !== 0 || late) return undefined;
    return async (call) => {
      const answer = await call();
      late = true;
      await scheduler.enqueue(mail, -1);
      return answer;
    };
  });
  await start("worker");
  // Once it is known how quick the handlers are, a claim gives all there is, and is full.
  await scheduler.enqueueMany(many(500));
  await clock.settle();
  await scheduler.enqueueMany(many(claimMax + 5));
  await clock.settle();
  expect(late).toBe(true);
  expect(started).toContain(-1);
});
