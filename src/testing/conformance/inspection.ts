// Asking why: what stands between a job and its run, which schedules are due or disabled, the schema, the store's health.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import type { JobStanding } from "../../core/standing.ts";
import { definition, hourMs, minuteMs, queue, tenant } from "./builders.ts";
import { activeJob, claimJob, createSchedule, insertJob, insertJobs, putSchedule } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

async function standing({ inspection }: Engine, id: string, aheadMax = 100): Promise<JobStanding> {
  const found = await inspection.standing(id, { aheadMax });
  assert.ok(found, "the job is stored");
  return found;
}

export const inspection: Chapter = {
  title: "inspection",
  facts: [
    fact("J5 the jobs ahead are those that a claim takes first, of the same tenant and queue", async ({ engine }) => {
      const ids = await insertJobs(engine, [
        { priority: 7 },
        {},
        { priority: 1 },
        {},
        { tenant: "other", priority: 1 },
        { queue: "else", priority: 1 },
        { due: { afterMs: hourMs }, priority: 1 },
      ]);
      const ahead = await Promise.all(ids.map(async (id) => (await standing(engine, id)).ahead));
      assert.deepEqual(ahead.slice(0, 4), [3, 1, 0, 2]);
      assert.equal(ahead[6], 0, "a job that is not due has no place in the line");
      assert.equal((await standing(engine, ids[0] ?? "", 2)).ahead, 2, "counted up to what was asked");
      assert.equal((await standing(engine, ids[0] ?? "")).otherTenants, 1);
    }),

    fact("J5 what has come due since the last claim is in the line", async ({ engine, other, clock }) => {
      const [late = ""] = await insertJobs(engine, [{ priority: 7 }, { due: { afterMs: minuteMs } }]);
      assert.equal((await standing(other, late)).ahead, 0);
      clock.advance(minuteMs);
      assert.equal((await standing(other, late)).ahead, 1);
    }),

    fact(
      "J12 a limited tenant's concurrency and rate are told with what is used of them",
      async ({ engine, other }) => {
        const { id } = await insertJob(engine);
        assert.equal((await standing(engine, id)).tenantLimits, undefined);
        const rate = { count: 1, periodMs: minuteMs };
        await engine.tenants.put([{ id: tenant, concurrency: 2, rate }]);
        const idle = { concurrency: 2, rate, active: 0, regainAt: undefined };
        assert.deepEqual((await standing(other, id)).tenantLimits, idle);
        await activeJob(engine, { queue: "else", priority: 1 });
        const { tenantLimits } = await standing(other, id);
        assert.ok(tenantLimits?.regainAt !== undefined && tenantLimits.regainAt > start);
        assert.equal(tenantLimits.active, 1);
      },
    ),

    fact("J11 pauses of the queue and of everything are told apart", async ({ engine, other }) => {
      const { id } = await insertJob(engine);
      assert.deepEqual(
        [(await standing(engine, id)).queue?.paused ?? false, (await standing(engine, id)).allPaused],
        [false, false],
      );
      await engine.queues.put([{ name: queue, paused: true }]);
      assert.deepEqual(
        [(await standing(other, id)).queue?.paused, (await standing(other, id)).allPaused],
        [true, false],
      );
      await engine.queues.put([
        { name: queue, paused: false },
        { name: "*", paused: true },
      ]);
      assert.deepEqual(
        [(await standing(other, id)).queue?.paused, (await standing(other, id)).allPaused],
        [false, true],
      );
    }),

    fact("J12 running jobs are counted over tenants, and a spent rate says when it gives again", async ({ engine }) => {
      await engine.queues.put([{ name: queue, concurrency: 5, rate: { count: 2, periodMs: minuteMs } }]);
      await activeJob(engine);
      const before = await standing(engine, (await insertJob(engine)).id);
      assert.deepEqual([before.active, before.regainAt, before.queue?.concurrency], [1, undefined, 5]);
      await claimJob(engine, { limit: 1 });
      const { id } = await insertJob(engine, { tenant: "other" });
      const spent = await standing(engine, id);
      assert.equal(spent.active, 2);
      assert.ok(spent.regainAt !== undefined && spent.regainAt > start + minuteMs - 1);
    }),

    fact("T2 the two slots of a key name each other", async ({ engine, other }) => {
      const current = await activeJob(engine, { key: "k" });
      const { id } = await insertJob(engine, { key: "k", onConflict: "replace" });
      const [first, second] = [await standing(other, current.id), await standing(other, id)];
      assert.deepEqual([first.holder, first.successor], [undefined, id]);
      assert.deepEqual([second.holder, second.successor], [current.id, undefined]);
    }),

    fact("T7 the standing of a job that is not stored is nothing", async ({ engine }) => {
      const { id } = await insertJob(engine);
      assert.equal(
        await engine.inspection.standing(
          id.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
          { aheadMax: 1 },
        ),
        undefined,
      );
    }),

    fact(
      "S11 due schedules are listed with the longest overdue first, and do not move",
      async ({ engine, other, clock }) => {
        await createSchedule(engine, { rule: { kind: "every", everyMs: hourMs, anchor: start } }, { id: "hourly" });
        await createSchedule(engine, {}, { id: "minutely" });
        await createSchedule(engine, { rule: { kind: "every", everyMs: 2 * hourMs, anchor: start } }, { id: "later" });
        clock.advance(hourMs);
        const due = await other.inspection.schedules("due", 10);
        assert.deepEqual(
          due.map(({ id }) => id),
          ["minutely", "hourly"],
        );
        assert.deepEqual(await engine.inspection.schedules("due", 1), due.slice(0, 1));
      },
    ),

    fact("S7 disabled schedules are listed by themselves", async ({ engine, other }) => {
      await createSchedule(engine);
      await putSchedule(engine, { id: "off", definition: definition(), enabled: false, disabledReason: "later" });
      const disabled = await other.inspection.schedules("disabled", 10);
      assert.deepEqual(
        disabled.map(({ tenant, id, disabledReason }) => [tenant, id, disabledReason]),
        [[tenant, "off", "later"]],
      );
    }),

    fact(
      "O4 an open store lacks no step, has not drifted, and has nothing more to apply",
      async ({ engine, other }) => {
        for (const { migrations } of [engine, other]) {
          const { steps, unknown, drift } = await migrations.state();
          assert.ok(steps.every(({ appliedAt }) => appliedAt !== undefined));
          assert.deepEqual([unknown, drift], [[], []]);
          assert.deepEqual(await migrations.apply(), []);
        }
      },
    ),

    fact("O5 the findings of a store in order are no problem", async ({ engine, other }) => {
      await insertJob(engine);
      for (const { inspection } of [engine, other]) {
        const findings = await inspection.findings();
        assert.ok(findings.length > 0);
        assert.deepEqual(
          // How durable a test's server is set is its owner's choice.
          findings.filter(({ status, check }) => status !== "ok" && check !== "settings"),
          [],
        );
      }
    }),
  ],
};
