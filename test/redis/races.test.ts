// What happens between the looks of a step and its commit, each race played once for certain: another client does something
// just before a script of this one.
import { describe, expect, onTestFinished, test } from "vitest";
import { startRedis } from "../../scripts/services/redis.ts";
import { NotWrittenError } from "../../src/core/errors.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { PartialFailure } from "../../src/core/partial-failure.ts";
import { leaseOf } from "../../src/core/settling.ts";
import type { Signal } from "../../src/core/signal.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { jobStore } from "../../src/engines/redis/jobs.ts";
import { queueStore } from "../../src/engines/redis/queues.ts";
import { scheduleStore } from "../../src/engines/redis/schedules.ts";
import { Steps } from "../../src/engines/redis/steps.ts";
import type { Access } from "../../src/engines/redis/store.ts";
import {
  claimRequest,
  completion,
  definition,
  failure,
  minuteMs,
  newJob,
  queue,
  schedulePut,
  secondMs,
  tenant,
  triggerDecision,
} from "../../src/testing/conformance/builders.ts";
import { claim, claimJob, fire, insertJob, insertJobs, listJobs } from "../../src/testing/conformance/calls.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { sharedRedis } from "../servers/shared.ts";
import { expectConsistent } from "./consistency.ts";
import { openDeployment } from "./opened.ts";
import { clientOf, openStoreAt } from "./stores.ts";

/** Does something once, before the so-manieth run of a script. */
interface Meanwhile {
  readonly before: string;
  readonly nth?: number;
  readonly what: () => Promise<unknown>;
}

/** Two clients of a deployment; the second does what it is told to between the scripts of the first. */
async function openPair() {
  const { url, newDeployment } = await sharedRedis();
  const options = { prefix: newDeployment(), clock: new TestClock() };
  const [store, other] = [await openStoreAt(url, options), await openStoreAt(url, options)];
  let meanwhile: Meanwhile | undefined;
  let runs = 0;
  const told: Signal[] = [];
  const access: Access = {
    client: {
      prefix: store.client.prefix,
      read: (commands) => store.client.read(commands),
      run: async (script, args) => {
        if (meanwhile?.before === script.name && ++runs === (meanwhile.nth ?? 1)) {
          const { what } = meanwhile;
          meanwhile = undefined;
          await what();
        }
        return await store.client.run(script, args);
      },
    },
    history: store.history,
    fired: store.fired,
    tellHere: (signals) => {
      told.push(...signals);
      store.tellHere(signals);
    },
    testNow: store.testNow,
  };
  const storesOf = (of: Access) => {
    const steps = new Steps(of);
    return { jobs: jobStore(steps), schedules: scheduleStore(steps) };
  };
  const server = clientOf(url);
  return {
    first: storesOf(access),
    second: storesOf(other),
    clock: options.clock,
    told,
    queues: queueStore(other),
    isConsistent: () => expectConsistent(server, options.prefix),
    meanwhile: (one: Meanwhile) => {
      meanwhile = one;
      runs = 0;
    },
  };
}

describe("between the looks of a step and its commit", () => {
  test("S5: with overlap `replace` no tick gets a job while another that has just been claimed runs", async () => {
    const { first, second, clock, isConsistent, meanwhile } = await openPair();
    await second.schedules.put([schedulePut({ definition: definition({ overlap: "replace" }) })]);
    clock.advance(minuteMs);
    await fire(second);
    clock.advance(minuteMs);
    // The waiting job has been seen; it is claimed before it is looked at by its id.
    meanwhile({ before: "steps.load", nth: 2, what: () => claimJob(second) });
    await first.schedules.fire({ limit: 10, decide: decideFiring });
    const jobs = await listJobs(first);
    expect(jobs.map(({ state }) => state)).toEqual(["active"]);
    expect((await first.schedules.get({ tenant, id: "report" }))?.held?.tick).toBe(clock.now());
    await isConsistent();
  });

  test("J12: whoever waits for a place is told of one that is freed just as its queue is limited", async () => {
    const { first, second, queues, told, meanwhile } = await openPair();
    await insertJobs(second, [{ key: "a" }, {}]);
    const [job] = await claim(second, { limit: 1 });
    if (job === undefined) throw new Error("one is due");
    const limit = () => queues.put([{ name: queue, concurrency: 1 }]);
    meanwhile({ before: "steps.commit", what: limit });
    await first.jobs.settle([completion(job)]);
    expect(told).toContainEqual(expect.objectContaining({ kind: "wake", queue }));
  });

  test("S7: a removal that cancels what has not started leaves alone what has just been claimed", async () => {
    const { first, second, clock, isConsistent, meanwhile } = await openPair();
    await second.schedules.put([schedulePut({})]);
    clock.advance(minuteMs);
    await fire(second);
    meanwhile({ before: "steps.load", nth: 3, what: () => claimJob(second) });
    await first.schedules.remove([{ tenant, id: "report", cancelPending: true }]);
    const [job] = await listJobs(first);
    expect(job).toMatchObject({ state: "active" });
    expect(job?.cancelRequested).not.toBe(true);
    await isConsistent();
  });
});

describe("a claim", () => {
  test("J15: one that arrives once its repeat has been answered takes nothing", async () => {
    const { engine } = await openDeployment();
    const request = claimRequest({ limit: 1 });
    await engine.jobs.claim({ ...request, repeat: true });
    await insertJobs(engine, [{}, {}, {}]);
    expect((await engine.jobs.claim(request)).jobs).toEqual([]);
    expect((await engine.jobs.claim({ ...request, repeat: true })).jobs).toHaveLength(1);
    expect((await engine.jobs.claim(request)).jobs).toEqual([]);
    expect((await claim(engine)).length).toBe(2);
  });

  test("J4: a job that was recovered is given, even if the server is lost right behind it", async () => {
    const { first, second, clock, meanwhile } = await openPair();
    const { id } = await insertJob(second);
    await claimJob(second);
    clock.advance(minuteMs);
    meanwhile({ before: "jobs.claim", nth: 2, what: () => Promise.reject(new NotWrittenError("the store is away")) });
    expect((await claim(first)).map((job) => job.id)).toEqual([id]);
  });
});

describe("within one script", () => {
  test("J2: a claim that starts nothing gives each job once where only one lane waits, and leaves the others", async () => {
    const { engine, server, key } = await openDeployment();
    await engine.tenants.put([{ id: "limited", concurrency: 1 }]);
    await insertJobs(engine, [{}, {}, {}, {}, {}]);
    const { jobs } = await engine.jobs.claim(claimRequest({ starts: 0, wants: [{ queue, limit: 2 }] }));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(2);
    expect(jobs).toHaveLength(2);
    await expectConsistent(server, key("").slice(1, -2));
    expect(await claim(engine)).toHaveLength(3);
  });

  test("N5: a log that takes no more events stops a change before anything of it is written", async () => {
    const { engine, server, key } = await openDeployment();
    const { id } = await insertJob(engine);
    await engine.jobs.change([{ name: { id }, change: { kind: "reschedule", due: { afterMs: minuteMs } } }]);
    await server.xadd(key("events"), "1000000-1", "e", JSON.stringify({ type: "x", tenant, at: 0 }));
    const cancel = () => engine.jobs.change([{ name: { id }, change: { kind: "cancel" } }]);
    await expect(cancel()).rejects.toThrow();
    expect((await engine.jobs.get(id))?.state).toBe("pending");
    await server.xdel(key("events"), "1000000-1");
    await expectConsistent(server, key("").slice(1, -2));
  });

  test("T6: who may not publish is answered all the same, and leaves nothing half done", async () => {
    const server = await startRedis({});
    onTestFinished(() => server.close());
    await server.command("ACL", "SETUSER", "mute", "on", ">word", "~*", "resetchannels", "+@all");
    const engine = redis(server.url.replace("://", "://mute:word@"));
    onTestFinished(() => engine.close());
    await engine.open();
    await insertJobs(engine, [{}, { key: "a" }]);
    await engine.schedules.put([schedulePut()]);
    await engine.schedules.fire({ limit: 1, decide: triggerDecision("now"), only: [{ tenant, id: "report" }] });
    expect(await claim(engine)).toHaveLength(3);
    await expectConsistent(clientOf(server.url), "punctual");
  });

  test("J10: jobs that end and are trimmed at once stand in no index", async () => {
    const { engine, server, key } = await openDeployment({ retention: { endedCountMax: 10, completedCountMax: 10 } });
    const jobs = Array.from({ length: 150 }, () => newJob());
    await engine.jobs.insert([{ jobs }]);
    await engine.jobs.change(jobs.map(({ id }) => ({ name: { id }, change: { kind: "cancel" } })));
    await expectConsistent(server, key("").slice(1, -2));
    expect((await listJobs(engine)).length).toBeLessThan(150);
  });

  test("J3: a job of the store's first commit that was claimed and ended between two looks has moved", async () => {
    const { first, second, isConsistent, meanwhile } = await openPair();
    // The first of all revisions.
    const { id } = await insertJob(second, { idempotency: { key: "once", body: "" } });
    meanwhile({
      before: "steps.commit",
      what: async () => {
        await second.jobs.settle([completion(await claimJob(second))]);
      },
    });
    const [answer] = await first.jobs.change([
      { name: { id }, change: { kind: "reschedule", due: { afterMs: secondMs } } },
    ]);
    expect(answer?.outcome).toBe("finished");
    await isConsistent();
  });
});

describe("of several things that are asked for at once", () => {
  /** The store is away for every commit. */
  const away = () => Promise.reject(new NotWrittenError("the store is away"));

  test("O1 T5: inserts that are stored are answered so, when others of the call cannot be", async () => {
    const { first, meanwhile } = await openPair();
    const known = newJob();
    await first.jobs.insert([{ jobs: [known] }]);
    meanwhile({ before: "steps.commit", what: away });
    const plain = newJob();
    const failed = await first.jobs.insert([{ jobs: [plain] }, { jobs: [known, newJob()] }]).catch((error) => error);
    expect(failed).toBeInstanceOf(PartialFailure);
    expect((failed as PartialFailure).each).toMatchObject([{ answer: { outcome: "inserted" } }, {}]);
    expect(await first.jobs.get(plain.id)).toBeDefined();
  });

  test("O1 J3: what is settled or extended is answered so, when others of the call cannot be", async () => {
    const { first, meanwhile } = await openPair();
    await insertJobs(first, [{}, {}, {}]);
    const [one, two, three] = await claim(first);
    if (one === undefined || two === undefined || three === undefined) throw new Error("three are due");
    meanwhile({ before: "steps.commit", what: away });
    const extended = await first.jobs
      .extend([{ lease: leaseOf(one) }, { lease: leaseOf(two), progress: 50 }], minuteMs)
      .catch((error) => error);
    expect((extended as PartialFailure).each).toMatchObject([{ answer: "held" }, {}]);
    meanwhile({ before: "steps.commit", what: away });
    const settled = await first.jobs.settle([completion(one), failure(two), completion(three)]).catch((error) => error);
    const done = { answer: { outcome: "settled", state: "completed" } };
    expect((settled as PartialFailure).each).toMatchObject([done, {}, done]);
  });
});

test("S8: a schedule that cannot be read stops ticking where no events are kept, too", async () => {
  const { engine, server, key, clock } = await openDeployment({ retention: { events: 0 } });
  await engine.schedules.put([schedulePut()]);
  clock.advance(minuteMs);
  await server.hset(key("schedules"), `${tenant}\nreport`, "1|{");
  await fire(engine);
  expect((await engine.schedules.fire({ limit: 10, decide: decideFiring })).nextDueAt).toBe(undefined);
});
