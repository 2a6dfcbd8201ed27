// `scheduler.explain`: every sentence from a store that is really in that state, on both kinds of store.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { ScheduleDefinition } from "../../src/core/schedule.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler } from "../../src/index.ts";
import {
  attemptRecord,
  cancellation,
  completion,
  definition,
  failure,
  hourMs,
  minuteMs,
  queue,
  release,
  retrying,
  secondMs,
  tenant,
} from "../../src/testing/conformance/builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  createSchedule,
  extendJob,
  fire,
  insertJob,
  insertJobs,
  putSchedule,
  settleJob,
  trigger,
} from "../../src/testing/conformance/calls.ts";
import { start, TestClock } from "../../src/testing/conformance/harness.ts";

const stores = {
  memory: (clock: TestClock): Engine => memory({ clock }),
  sqlite: (clock: TestClock): Engine => sqlite(":memory:", { clock }),
};

describe.each(Object.entries(stores))("explain on %s", (_name, make) => {
  let clock: TestClock;
  let engine: Engine;
  beforeEach(async () => {
    clock = new TestClock();
    engine = make(clock);
    await engine.open();
  });
  afterEach(() => engine.close());

  /** The sentences without the first, which names the thing. */
  async function why(about: { job: string } | { schedule: string }): Promise<string> {
    const scheduler = createScheduler({ engine });
    const { sentences } = await scheduler.explain("schedule" in about ? { ...about, tenant } : about);
    return sentences.slice(1).join("\n");
  }

  describe("a job", () => {
    test("J14 is named with its state, task, queue, tenant and key", async () => {
      const { id } = await insertJob(engine, { key: "k" });
      const { sentences, facts } = await createScheduler({ engine }).explain({ job: id });
      expect(sentences[0]).toBe(`Job ${id} is waiting: task send, queue mail, tenant acme, key k.`);
      expect(facts).toMatchObject({ kind: "job", paused: false, ahead: 0, active: 0, job: { id } });
    });

    test("T1 not yet due: until when", async () => {
      const { id } = await insertJob(engine, { due: { afterMs: 5 * minuteMs } });
      expect(await why({ job: id })).toBe("It is not due before 2030-01-01T00:05:00Z (in 5m).");
    });

    test("J5 just due and next: the next claim takes it", async () => {
      const { id } = await insertJob(engine);
      expect(await why({ job: id })).toContain("Nothing holds it back: the next claim takes it.");
    });

    test("J12 its tenant is at its concurrency: what it waits for", async () => {
      await engine.tenants.put([{ id: tenant, concurrency: 1 }]);
      await activeJob(engine, { queue: "other" });
      const { id } = await insertJob(engine);
      clock.advance(hourMs);
      const said = await why({ job: id });
      expect(said).toContain(
        "Tenant acme runs at most 1 job at once over all queues, and 1 of them is running: it waits for one to end.",
      );
      expect(said).not.toContain("Nobody takes jobs");
      const { facts } = await createScheduler({ engine }).explain({ job: id });
      expect(facts).toMatchObject({ tenantLimits: { active: 1, concurrency: 1 } });
    });

    test("J12 its tenant has used up its rate: when the next may start", async () => {
      await engine.tenants.put([{ id: tenant, rate: { count: 1, periodMs: minuteMs } }]);
      await activeJob(engine, { queue: "other" });
      const { id } = await insertJob(engine);
      expect(await why({ job: id })).toContain(
        "Tenant acme starts at most 1 per 1m over all queues, counted in slices of 6s, and they are used up: the next at 2030-01-01T00:01:06Z (in 1m6s).",
      );
    });

    test("J5 due for long while nobody claims: no worker", async () => {
      const { id } = await insertJob(engine);
      clock.advance(hourMs);
      expect(await why({ job: id })).toBe(
        "It has been due since 2030-01-01T00:00:00Z (1h ago).\nNobody takes jobs from queue mail: no worker with a handler for a task of this queue seems to run. Start one: punctual serve.",
      );
    });

    test("J5 due while others run: the workers are busy", async () => {
      await activeJob(engine);
      const { id } = await insertJob(engine);
      clock.advance(minuteMs);
      expect(await why({ job: id })).toContain("The workers of queue mail are busy: 1 job of it runs.");
    });

    test("J5 behind others of its lane: how many", async () => {
      const ids = await insertJobs(engine, [{}, {}, { tenant: "other" }]);
      const text = await why({ job: ids[1] ?? "" });
      expect(text).toContain(
        "1 job of its tenant in the queue comes before it, by priority, due time and order of insertion.",
      );
      expect(text).toContain("1 other tenant with due jobs in the queue takes turns with its tenant.");
    });

    test("J11 in a paused queue: since when and by whom", async () => {
      const { id } = await insertJob(engine);
      await engine.queues.put([{ name: queue, paused: true }], "ann");
      await engine.queues.put([{ name: queue, concurrency: 4 }], "bob");
      clock.advance(minuteMs);
      expect(await why({ job: id })).toContain(
        "It waits because queue mail is paused, since 2030-01-01T00:00:00Z (1m ago) by ann: punctual queues resume mail",
      );
    });

    test("J11 while everything is paused", async () => {
      const { id } = await insertJob(engine);
      await engine.queues.put([{ name: "*", paused: true }], "ann");
      expect(await why({ job: id })).toContain(
        "It waits because everything is paused, since 2030-01-01T00:00:00Z (now) by ann: punctual queues resume --all",
      );
    });

    test("J12 behind a concurrency limit: how many run", async () => {
      await engine.queues.put([{ name: queue, concurrency: 1 }]);
      await activeJob(engine);
      const { id } = await insertJob(engine);
      clock.advance(minuteMs);
      expect(await why({ job: id })).toContain(
        "Queue mail runs at most 1 job at once, and 1 of them is running: it waits for one to end.",
      );
    });

    test("J12 behind a spent rate limit: when it gives again", async () => {
      await engine.queues.put([{ name: queue, rate: { count: 1, periodMs: minuteMs } }]);
      await activeJob(engine);
      const { id } = await insertJob(engine);
      expect(await why({ job: id })).toMatch(
        /starts at most 1 per 1m, counted in slices of 6s, and they are used up: the next at .* \(in 1m6s\)/,
      );
    });

    test.each([
      ["J12 behind others and a concurrency limit", { concurrency: 1 }],
      ["J12 behind others and a spent rate limit", { rate: { count: 1, periodMs: hourMs } }],
    ])("%s: the workers are not said to be busy", async (_fact, limit) => {
      await engine.queues.put([{ name: queue, ...limit }]);
      await activeJob(engine);
      const ids = await insertJobs(engine, [{}, {}]);
      clock.advance(minuteMs);
      const text = await why({ job: ids[1] ?? "" });
      expect(text).toMatch(/Queue mail (?:runs|starts) at most 1 /);
      expect(text).toContain("1 job of its tenant in the queue comes before it");
      expect(text).not.toMatch(/busy|Nobody takes/);
    });

    test("J6 to be tried again, by the task's own number of attempts: that the store does not know it", async () => {
      const job = await activeJob(engine);
      await settleJob(engine, retrying(job, { due: { afterMs: 10 * secondMs } }));
      expect(await why({ job: job.id })).toContain(
        "1 attempt failed of its task's own number of attempts, which the store does not know; the last with Error: boom",
      );
    });

    test("J6 to be tried again: when, after which error", async () => {
      const job = await activeJob(engine, { attemptsMax: 3 });
      await settleJob(engine, retrying(job, { due: { afterMs: 10 * secondMs } }));
      expect(await why({ job: job.id })).toBe(
        "1 attempt failed of 3 allowed; the last with Error: boom (attempt 1).\nIt is tried again at 2030-01-01T00:00:10Z (in 10s).",
      );
    });

    test("J6 put off by its own handler", async () => {
      const job = await activeJob(engine);
      const record = attemptRecord(job, "deferred");
      await settleJob(engine, release(job, { due: { at: start + hourMs }, record }));
      expect(await why({ job: job.id })).toContain(
        "Its handler asked to be run again at 2030-01-01T01:00:00Z (in 1h).",
      );
    });

    test("J13 given back for want of a handler", async () => {
      const job = await activeJob(engine);
      await settleJob(engine, release(job, { due: { afterMs: 5 * secondMs }, record: undefined }));
      expect(await why({ job: job.id })).toContain(
        "It was given back unrun 1 time in a row: the worker that took it has no handler for task send.\nIt is offered again at 2030-01-01T00:00:05Z (in 5s)",
      );
    });

    test("T2 the successor of a key, and the job that holds it", async () => {
      const current = await activeJob(engine, { key: "k" });
      const { id } = await insertJob(engine, { key: "k", onConflict: "replace" });
      expect(await why({ job: id })).toBe(
        `It waits for the key k: job ${current.id} holds it, and this one runs after it.`,
      );
      expect(await why({ job: current.id })).toContain(`Job ${id} waits for its key k, and runs after it.`);
    });

    test("J2 active: by whom, since when, until when", async () => {
      const job = await activeJob(engine);
      clock.advance(secondMs);
      expect(await why({ job: job.id })).toBe(
        "Worker worker-1 has had it since 2030-01-01T00:00:00Z (1s ago), as attempt 1.\nIts lease runs until 2030-01-01T00:00:30Z (in 29s), and is extended while the worker lives.",
      );
    });

    test("J2 active and fetched ahead, with its progress", async () => {
      const { id } = await insertJob(engine);
      const job = await claimJob(engine, { starts: 0 });
      expect(await why({ job: id })).toContain("It was fetched ahead: its handler has not been called yet.");
      const { attempt, token } = job;
      await engine.jobs.extend([{ lease: { id, queue, attempt, token }, started: true, progress: 0.4 }], 30_000);
      expect(await why({ job: id })).toContain("Its handler says that 40% are done.");
    });

    test("J4 active with a lease that is over: the worker died; then how often", async () => {
      const job = await activeJob(engine);
      clock.advance(minuteMs);
      expect(await why({ job: job.id })).toContain(
        "Its lease ended at 2030-01-01T00:00:30Z (30s ago): the worker died, or its event loop stands still. The next claim from queue mail runs the job again.",
      );
      await engine.queues.put([{ name: queue, paused: true }]);
      expect(await why({ job: job.id })).toContain("Nobody claims it because queue mail is paused");
      await engine.queues.put([{ name: queue, paused: false }]);
      await claimJob(engine);
      expect(await why({ job: job.id })).toContain(
        "1 attempt ended with the worker: its process may have died of the job.",
      );
    });

    test("J8 active and asked to stop: by whom", async () => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      expect(await why({ job: job.id })).toContain(
        "Its cancellation was asked for at 2030-01-01T00:00:00Z (now) by ann: the worker hears of it when it next extends the lease.",
      );
      expect(await extendJob(engine, job)).toBe("cancelling");
      await settleJob(engine, cancellation(job));
      expect(await why({ job: job.id })).toContain("It was cancelled at 2030-01-01T00:00:00Z (now) by ann");
    });

    test("J1 completed: when, in which attempt", async () => {
      const job = await activeJob(engine);
      await settleJob(engine, completion(job, { keep: { ageMs: hourMs } }));
      expect(await why({ job: job.id })).toMatch(
        /^It completed at 2030-01-01T00:00:00Z \(now\) in attempt 1, after .*\nRetention keeps it until 2030-01-01T01:00:00Z \(in 1h\) at most\.$/,
      );
    });

    test.each([
      ["attempts", "its only attempt failed"],
      ["permanent", "its handler or its retry policy said that another attempt cannot help"],
      ["policy", "its retry policy itself threw"],
      ["input", "its stored input does not fit the worker's schema"],
      ["crashes", "ended with their worker, so it was not started again"],
    ] as const)("J6 failed for good, cause %s", async (endCause, text) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job, { endCause }));
      const said = await why({ job: job.id });
      expect(said).toContain("It failed for good at 2030-01-01T00:00:00Z (now): ");
      expect(said).toContain(text);
      expect(said).toContain("Last error: Error: boom (attempt 1).");
      expect(said).toContain(`To run it again: punctual jobs retry ${job.id}`);
    });

    test("T3 superseded: by a newer job of its key", async () => {
      const job = await activeJob(engine, { key: "k" });
      await insertJob(engine, { key: "k", onConflict: "replace" });
      await settleJob(engine, retrying(job));
      expect(await why({ job: job.id })).toContain(
        "it would have waited again, and a newer job with the same key took its place",
      );
    });

    test("J8 cancelled while it waited: by whom and why", async () => {
      const { id } = await insertJob(engine);
      await changeJob(engine, { id }, { kind: "cancel" });
      expect(await why({ job: id })).toContain(
        "It was cancelled at 2030-01-01T00:00:00Z (now) by ann: cancelled before it was started.",
      );
    });

    test("S2 made by a schedule: for which tick, and how late by jitter", async () => {
      const schedule = await createSchedule(engine, { jitterMs: 30 * secondMs });
      clock.advance(minuteMs);
      const { fired } = await fire(engine);
      const job = fired[0]?.ticks[0]?.job ?? "";
      const said = await why({ job });
      expect(said).toContain(`Schedule ${schedule.id} made it for the tick of 2030-01-01T00:01:00Z (now).`);
      expect(said).toMatch(/It is not due before .*, \S+ after its tick by jitter\./);
    });

    test("J10 gone from the store: what the audit log still says", async () => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job, { keep: "nothing" }));
      const { sentences, facts } = await createScheduler({ engine }).explain({ job: job.id });
      expect(facts).toEqual({ kind: "gone" });
      expect(sentences.join("\n")).toMatch(/no longer holds job .*\n.*job:failed at 2030-01-01T00:00:00Z: boom/);
    });

    test("N1 of another tenant, or of nobody, is not found", async () => {
      const { id } = await insertJob(engine);
      const scheduler = createScheduler({ engine });
      await expect(scheduler.tenant("other").explain({ job: id })).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(scheduler.explain({ job: "no-id" })).rejects.toMatchObject({ code: "INVALID_INPUT" });
      await expect(scheduler.explain({} as { job: string })).rejects.toMatchObject({ code: "INVALID_INPUT" });
      expect((await scheduler.tenant(tenant).explain({ job: id })).facts.kind).toBe("job");
    });
  });

  describe("a schedule", () => {
    const create = (parts: Partial<ScheduleDefinition> = {}) => createSchedule(engine, parts);
    const about = { schedule: "report" };

    test("S1 is named with its task, queue and rule, and its next tick", async () => {
      await create();
      const { sentences } = await createScheduler({ engine }).explain({ ...about, tenant });
      expect(sentences).toEqual([
        "Schedule report of tenant acme makes jobs of task send in queue mail, every 1m.",
        "Its next tick is at 2030-01-01T00:01:00Z (in 1m).",
        "It has never fired.",
      ]);
    });

    test("S3 with jitter, bounds and a beginning", async () => {
      await create({ jitterMs: 30 * secondMs, startAt: start + hourMs, endAt: start + 2 * hourMs, maxTicks: 3 });
      const said = await why(about);
      expect(said).toContain("It begins at 2030-01-01T01:00:00Z (in 1h).");
      expect(said).toMatch(
        /Its next tick is at 2030-01-01T01:00:00Z \(in 1h\); by its jitter the job is due \S+ later\./,
      );
      expect(said).toContain("It ends at 2030-01-01T02:00:00Z (in 2h).");
      expect(said).toContain("It has fired 0 of 3 ticks.");
    });

    test("S7 disabled: since when, by whom, why", async () => {
      await create();
      clock.advance(secondMs);
      await putSchedule(engine, { enabled: false, disabledReason: "month's end", actor: "ann" });
      expect(await why(about)).toContain(
        "It makes no jobs: it was disabled at 2030-01-01T00:00:01Z (now) by ann, because: month's end.",
      );
    });

    test("S9 paused by failures, and on the way there", async () => {
      await create({ pauseOnFailure: 2 });
      for (const expected of [
        /1 job of it failed in a row; after 2 it is disabled\./,
        /because: 2 jobs in a row have failed/,
      ]) {
        clock.advance(minuteMs);
        await fire(engine);
        await settleJob(engine, failure(await claimJob(engine)));
        expect(await why(about)).toMatch(expected);
      }
    });

    test("S4 overdue: no ticker, and what catch-up will do", async () => {
      await create();
      clock.advance(3 * hourMs);
      expect(await why(about)).toBe(
        "Its tick of 2030-01-01T00:01:00Z (2h59m ago) is overdue: no process with the role ticker fires it. Start one: punctual serve.\nWhen one runs, catch-up fires the newest late one no older than 1h.\nIt has never fired.",
      );
    });

    test("S4 ticks that came too late are told as a range", async () => {
      await create();
      clock.advance(3 * hourMs);
      await fire(engine);
      const said = await why(about);
      expect(said).toMatch(/It last fired for 2030-01-01T03:00:00Z \(now\): job \S+\./);
      expect(said).toContain(
        "179 ticks from 2030-01-01T00:01:00Z to 2030-01-01T02:59:00Z were not fired: they were noticed too late, by its catch-up policy.",
      );
    });

    test("S5 skipped as a job was unfinished, which goes on", async () => {
      await create({ overlap: "skip" });
      clock.advance(minuteMs);
      await fire(engine);
      const job = await claimJob(engine, { leaseMs: hourMs });
      clock.advance(minuteMs);
      await fire(engine);
      const said = await why(about);
      expect(said).toContain(
        `Its job ${job.id} is active: a tick that comes before it ends is skipped (overlap skip).`,
      );
      expect(said).toContain("Its tick of 2030-01-01T00:02:00Z (now) was not fired: a job of it was unfinished then.");
    });

    test("S5 a held tick waits for a job", async () => {
      await create({ overlap: "queue" });
      clock.advance(minuteMs);
      await fire(engine);
      const job = await claimJob(engine, { leaseMs: hourMs });
      clock.advance(minuteMs);
      await fire(engine);
      expect(await why(about)).toContain(
        `Its tick of 2030-01-01T00:02:00Z (now) is held and waits for job ${job.id} to end (active), by overlap queue.`,
      );
    });

    test("J11 in a paused queue its jobs wait", async () => {
      await create();
      await engine.queues.put([{ name: queue, paused: true }]);
      expect(await why(about)).toContain("Queue mail is paused: it goes on making jobs, and they wait");
      await engine.queues.put([{ name: "*", paused: true }]);
      expect(await why(about)).toContain("Everything is paused: it goes on making jobs, and they wait");
    });

    test.each([
      [{ maxTicks: 1 }, "It has fired the one tick that it may (maxTicks)."],
      [{ endAt: start + minuteMs }, "It has no further tick before its end at 2030-01-01T00:01:00Z (now)."],
      [{ rule: { kind: "once", at: start + minuteMs } }, "Its one tick has fired."],
    ] as const)("S1 at its end: %o", async (parts, text) => {
      await create(parts);
      clock.advance(minuteMs);
      await fire(engine);
      expect(await why(about)).toContain(text);
    });

    test("S10 triggered last", async () => {
      await create();
      await trigger(engine, "by-hand");
      expect(await why(about)).toContain("It was last triggered for 2030-01-01T00:00:00Z (now)");
    });

    test("S7 removed: when and by whom; one that never was is not found", async () => {
      await create();
      await engine.schedules.remove([{ tenant, id: "report", actor: "ann" }]);
      const scheduler = createScheduler({ engine });
      const { sentences, facts } = await scheduler.explain({ ...about, tenant });
      expect(facts).toEqual({ kind: "gone" });
      expect(sentences).toEqual([
        "There is no schedule report any more: it was removed at 2030-01-01T00:00:00Z (now) by ann.",
      ]);
      await expect(scheduler.explain({ schedule: "never" })).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    test("S8 that cannot be evaluated", async () => {
      await putSchedule(engine, {
        definition: { ...definition(), rule: { kind: "cron", expression: "0 0 * * *", timezone: "UTC" } },
      });
      const [stored] = (await engine.transfer.read({ limit: 100 })).items.filter((item) => item.kind === "schedule");
      if (stored?.kind !== "schedule") throw new Error("no schedule is stored");
      const { schedule } = stored;
      const broken = {
        ...schedule.definition,
        rule: { kind: "cron", expression: "nonsense", timezone: "UTC" },
      } as const;
      await engine.transfer.write({
        items: [{ kind: "schedule", schedule: { ...schedule, definition: broken } }],
        remove: [],
      });
      clock.advance(25 * hourMs);
      await fire(engine);
      expect(await why(about)).toMatch(/It makes no jobs: it was disabled .*, because: it cannot be evaluated: /);
    });
  });

  test("J5 claims agree with what was said: the one that is next is taken", async () => {
    const ids = await insertJobs(engine, [{ priority: 9 }, {}]);
    expect(await why({ job: ids[0] ?? "" })).toContain("1 job of its tenant");
    expect((await claim(engine, { limit: 1 }))[0]?.id).toBe(ids[1]);
    expect(await why({ job: ids[0] ?? "" })).not.toContain("of its tenant in the queue");
  });
});
