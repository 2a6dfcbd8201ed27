// Tenants: whoever names one sees and changes nothing of another's.
import assert from "node:assert/strict";
import { definition, minuteMs, queue, tenant } from "./builders.ts";
import {
  changeJob,
  claim,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  listEvents,
  listJobs,
  putSchedule,
  storedJob,
} from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

const globex = "globex";

export const tenants: Chapter = {
  title: "tenants",
  facts: [
    fact("N1 a job is found by its own tenant only, when one is named", async ({ engine }) => {
      const { id } = await insertJob(engine);
      assert.equal((await engine.jobs.get(id))?.id, id);
      assert.equal((await engine.jobs.get(id, tenant))?.id, id);
      assert.equal(await engine.jobs.get(id, globex), undefined);
    }),

    fact("N1 another tenant's job cannot be changed", async ({ engine }) => {
      const { id } = await insertJob(engine, { key: "k", input: "1" });
      const before = await storedJob(engine, id);
      for (const change of [
        { kind: "cancel" },
        { kind: "retry" },
        { kind: "reschedule", due: { afterMs: minuteMs } },
        { kind: "update", input: "2" },
      ] as const) {
        assert.equal((await changeJob(engine, { id, tenant: globex }, change)).outcome, "unknown");
        assert.equal((await changeJob(engine, { tenant: globex, queue, key: "k" }, change)).outcome, "unknown");
      }
      assert.deepEqual(await storedJob(engine, id), before);
      assert.deepEqual(await listEvents(engine), []);
    }),

    fact("N1 a tenant's list and counts hold its own jobs", async ({ engine }) => {
      const [own] = await insertJobs(engine, [{}, { tenant: globex }, { tenant: globex }]);
      assert.deepEqual(
        (await listJobs(engine, { tenant })).map((job) => job.id),
        [own],
      );
      const lanes = await engine.jobs.stats({ tenant });
      assert.deepEqual(
        lanes.map((lane) => [lane.tenant, lane.waiting]),
        [[tenant, 1]],
      );
      assert.deepEqual(await engine.jobs.stats({ tenant: "nobody" }), []);
    }),

    fact("N1 a tenant whose name begins another's sees nothing of it", async ({ engine }) => {
      await insertJob(engine, { tenant: "acme.eu", key: "k" });
      await createSchedule(engine, {}, { tenant: "acme.eu" });
      assert.deepEqual(await listJobs(engine, { tenant, keyPrefix: "k" }), []);
      assert.deepEqual((await engine.schedules.list({ tenant, idPrefix: "r" }, { limit: 10 })).items, []);
      assert.deepEqual(await listEvents(engine, { tenant }), []);
    }),

    fact("N1 tenants' schedules of one id are strangers", async ({ engine }) => {
      await createSchedule(engine, { input: "1" });
      assert.equal(await engine.schedules.get({ tenant: globex, id: "report" }), undefined);
      await createSchedule(engine, { input: "2" }, { tenant: globex });
      await putSchedule(engine, { tenant: globex, definition: definition({ input: "3" }) });
      await engine.schedules.remove([{ tenant: globex, id: "report" }]);
      const own = await engine.schedules.get({ tenant, id: "report" });
      assert.deepEqual([own?.definition.input, own?.revision], ["1", 1]);
    }),

    fact(
      "N1 schedules are listed by the beginning of their ids, of one tenant or of all, in pages",
      async ({ engine, other }) => {
        for (const owner of ["a", tenant, globex]) {
          for (const id of ["in:1", "in:2", "int", "im", "out"])
            await createSchedule(engine, {}, { tenant: owner, id });
        }
        const listed = async (filter: { readonly tenant?: string; readonly enabled?: boolean }, limit: number) => {
          const found: string[] = [];
          let cursor: string | undefined;
          do {
            const page = { limit, ...(cursor === undefined ? {} : { cursor }) };
            const { items, next } = await other.schedules.list({ ...filter, idPrefix: "in:" }, page);
            found.push(...items.map((schedule) => `${schedule.tenant}/${schedule.id}`));
            cursor = next;
          } while (cursor !== undefined);
          return found;
        };
        const all = ["a", tenant, globex].flatMap((owner) => [`${owner}/in:1`, `${owner}/in:2`]);
        for (const limit of [1, 2, 5, 100]) assert.deepEqual(await listed({}, limit), all);
        for (const limit of [1, 100]) assert.deepEqual(await listed({ tenant }, limit), all.slice(2, 4));
        assert.deepEqual(await listed({ tenant, enabled: false }, 1), []);
        assert.deepEqual(await listed({ tenant: "nobody" }, 10), []);
      },
    ),

    fact("N1 a tenant's list holds its own schedules", async ({ engine }) => {
      await createSchedule(engine);
      await createSchedule(engine, {}, { tenant: globex });
      const { items } = await engine.schedules.list({ tenant: globex }, { limit: 10 });
      assert.deepEqual(
        items.map((schedule) => schedule.tenant),
        [globex],
      );
    }),

    fact("N1 a tenant's events are its own", async ({ engine, clock }) => {
      for (const owner of [tenant, globex]) await createSchedule(engine, {}, { tenant: owner });
      clock.advance(minuteMs);
      await fire(engine);
      const events = await listEvents(engine, { tenant: globex });
      assert.deepEqual(
        events.map((event) => [event.type, event.tenant]),
        [
          ["schedule:created", globex],
          ["tick:fired", globex],
        ],
      );
    }),

    fact("N1 workers serve the jobs of every tenant", async ({ engine }) => {
      await insertJobs(engine, [{}, { tenant: globex }]);
      assert.deepEqual((await claim(engine)).map((job) => job.tenant).sort(), [tenant, globex]);
    }),
  ],
};
