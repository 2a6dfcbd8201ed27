// What happens between the looks of a step and its commit, each race played once for certain: another client does something
// just before a script of this one.
import { describe, expect, test } from "vitest";
import { decideFiring } from "../../src/core/firing.ts";
import { jobStore } from "../../src/engines/redis/jobs.ts";
import { scheduleStore } from "../../src/engines/redis/schedules.ts";
import { Steps } from "../../src/engines/redis/steps.ts";
import type { Access } from "../../src/engines/redis/store.ts";
import {
  claimRequest,
  completion,
  definition,
  minuteMs,
  newJob,
  queue,
  schedulePut,
  secondMs,
  tenant,
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
    tellHere: (signals) => store.tellHere(signals),
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
