// `punctual doctor`: a store that is well, and every kind of trouble it tells of.
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, every, examine, type Finding, type Scheduler } from "../../src/index.ts";
import { claimRequest, release } from "../../src/testing/conformance/builders.ts";
import { failureIn, Workplace } from "./punctual.ts";

const hourMs = 3_600_000;

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place[Symbol.asyncDispose]());

/** Uses a store whose clock is so far from now. */
async function withClock(
  offsetMs: number,
  use: (scheduler: Scheduler, engine: ReturnType<typeof sqlite>) => Promise<unknown>,
) {
  const engine = sqlite(place.file, { clock: { now: () => Date.now() + offsetMs } });
  await using scheduler = createScheduler({ engine });
  await use(scheduler as unknown as Scheduler, engine);
}

function change(sql: string): void {
  const database = new DatabaseSync(place.file);
  database.exec(sql);
  database.close();
}

/** What the doctor finds that is not well. */
async function troubles(): Promise<readonly Finding[]> {
  const engine = sqlite(place.file);
  await engine.open();
  const findings = await examine(engine);
  await engine.close();
  return findings.filter(({ status }) => status !== "ok");
}

const enqueue = (scheduler: Scheduler) => scheduler.enqueue("greet", null);

describe("punctual doctor", () => {
  it("O5 says of a store in order what it has looked at, and ends with 0", async () => {
    await withClock(0, enqueue);
    const { code, stdout } = await place.run(["doctor"]);
    expect(code).toBe(0);
    for (const check of [
      "schema",
      "clock",
      "settings",
      "file",
      "integrity",
      "rows",
      "counters",
      "retention",
      "ticks",
      "leases",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ok +${check}: `, "m"));
    }
    expect(stdout).toMatch(/ is well\n$/);
  });

  it("O5 ends with 1 on a problem, for programs too", async () => {
    await withClock(-hourMs, enqueue);
    const { code, stdout } = await place.run(["doctor"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^PROBLEM {2}backlog: queue default has 1 due job, .* due for 1h\n {9}No job of it runs: .*punctual serve/,
    );
    const said = await place.run(["doctor", "--json"]);
    expect(said.code).toBe(1);
    const { problems, warnings, findings } = JSON.parse(said.stdout) as {
      problems: number;
      warnings: number;
      findings: Finding[];
    };
    expect({ problems, warnings, first: findings[0]?.check }).toEqual({ problems: 1, warnings: 0, first: "backlog" });
  });

  it("O5 tells of a store that cannot even be opened", async () => {
    place.write("punctual.db", "no database\n".repeat(100));
    const { code, stdout } = await place.run(["doctor"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^PROBLEM {2}opening: .* is not a SQLite database/);
  });

  it("O5 refuses a store that is not there, as every command does", async () => {
    expect((await place.run(["doctor"])).code).toBe(78);
  });

  it("O5 says that a database without a store is something else's", async () => {
    change("CREATE TABLE notes (text TEXT)");
    const refused = await place.run(["doctor", "--json"]);
    expect(refused.code).toBe(78);
    const { message, mend } = failureIn(refused);
    expect(message).toContain("its tables are something else's (notes)");
    expect(mend).not.toContain("create");
  });

  it("O5 refuses --tenant: it looks at the whole store", async () => {
    await withClock(0, enqueue);
    const refused = await place.run(["doctor", "--tenant", "acme", "--json"]);
    expect(refused.code).toBe(64);
    expect(failureIn(refused).field).toBe("--tenant");
  });
});

describe("examine", () => {
  it("J11 warns of pauses that hold due jobs", async () => {
    await withClock(0, async (scheduler) => {
      await enqueue(scheduler);
      await scheduler.queues.pause("default");
    });
    expect(await troubles()).toMatchObject([
      {
        check: "pauses",
        status: "warn",
        what: "queue default is paused, and 1 due job waits",
        mend: "punctual queues resume default",
      },
    ]);
  });

  it("J12 counts tenants whose due jobs wait for their own limits, and blames no worker", async () => {
    await withClock(-hourMs, async (scheduler, engine) => {
      await scheduler.tenants.limit("acme", { concurrency: 1 });
      for (let count = 0; count < 2; count++) await scheduler.enqueue("add", [1], { tenant: "acme" });
      await engine.jobs.claim(claimRequest({ wants: [{ queue: "default", limit: 9 }], leaseMs: 2 * hourMs }));
    });
    const found = await troubles();
    expect(found.map(({ check, status }) => [check, status])).toEqual([
      ["backlog", "warn"],
      ["tenants", "warn"],
    ]);
    expect(found[0]?.mend).toContain("Its tenant acme is at its own limit");
    expect(found[1]?.what).toBe("1 tenant has due jobs that wait for its own concurrency or rate: acme");
  });

  it("J4 finds leases that ended and that nobody recovers", async () => {
    await withClock(-hourMs, async (scheduler, engine) => {
      await enqueue(scheduler);
      await engine.jobs.claim(claimRequest({ wants: [{ queue: "default", limit: 1 }] }));
    });
    expect(await troubles()).toMatchObject([
      {
        check: "leases",
        status: "problem",
        what: expect.stringMatching(/^1 job is held by leases that ended up to 59m30s ago, in default: /),
      },
    ]);
  });

  it("J12 tells a limit from missing workers", async () => {
    await withClock(-hourMs, async (scheduler, engine) => {
      await enqueue(scheduler);
      await enqueue(scheduler);
      await scheduler.queues.limit("default", { concurrency: 1 });
      await engine.jobs.claim(claimRequest({ wants: [{ queue: "default", limit: 1 }], leaseMs: 3 * hourMs }));
    });
    expect(await troubles()).toMatchObject([
      {
        check: "backlog",
        status: "warn",
        mend: "All 1 that its concurrency limit allows are running: wait, or raise the limit.",
      },
    ]);
  });

  it("J13 names tasks that nobody handles", async () => {
    await withClock(0, async (scheduler, engine) => {
      await enqueue(scheduler);
      for (const due of [{ afterMs: 1 }, { afterMs: 60_000 }]) {
        let jobs: Awaited<ReturnType<typeof engine.jobs.claim>>["jobs"] = [];
        while (jobs.length === 0) {
          ({ jobs } = await engine.jobs.claim(claimRequest({ wants: [{ queue: "default", limit: 1 }] })));
        }
        await engine.jobs.settle(jobs.map((job) => release(job, { due, record: undefined })));
      }
    });
    expect(await troubles()).toMatchObject([
      { check: "handlers", status: "problem", what: expect.stringMatching(/: greet$/) },
    ]);
  });

  it("S11 finds overdue ticks, and says that no ticker runs", async () => {
    await withClock(-2 * hourMs, (scheduler) =>
      scheduler.schedules.ensure("hourly", { task: "greet", when: every("1h") }),
    );
    expect(await troubles()).toMatchObject([
      {
        check: "ticks",
        status: "problem",
        what: expect.stringMatching(/^ticks of 1 schedule are overdue, the first by 1h: hourly$/),
      },
    ]);
  });

  it("S8 finds schedules that the scheduler has disabled itself", async () => {
    await withClock(0, async (scheduler) => {
      await scheduler.schedules.ensure("poison", { task: "greet", when: every("1h") });
      await scheduler.schedules.ensure("fails", { task: "greet", when: every("1h") });
      await scheduler.schedules.ensure("off", { task: "greet", when: every("1h") });
      await scheduler.schedules.disable("poison", { reason: "it cannot be evaluated: no such zone" });
      await scheduler.schedules.disable("fails", { reason: "3 jobs in a row have failed" });
      await scheduler.schedules.disable("off");
    });
    expect(await troubles()).toMatchObject([
      { check: "schedules", status: "problem", what: expect.stringContaining("poison") },
      { check: "schedules", status: "warn", what: expect.stringContaining("fails") },
    ]);
  });

  it("O5 finds rows from the future, as a clock that went back leaves them", async () => {
    await withClock(hourMs, (scheduler) => scheduler.enqueue("greet", null, { delay: "1h" }));
    expect(await troubles()).toMatchObject([
      {
        check: "rows from the future",
        status: "problem",
        what: expect.stringMatching(/^the newest row is of .*, 1h ahead|59m/),
      },
    ]);
  });

  it("O1 repeats what workers have complained of", async () => {
    await withClock(0, async (scheduler, engine) => {
      await enqueue(scheduler);
      await engine.events.append([
        {
          type: "worker:error",
          tenant: "default",
          at: Date.now(),
          data: { where: "claim", message: "no route to host" },
        },
      ]);
    });
    expect(await troubles()).toMatchObject([
      { check: "errors", status: "warn", what: expect.stringMatching(/1 error within the hour.*no route to host/) },
    ]);
  });

  it("J10 finds what a janitor should have deleted", async () => {
    await withClock(0, enqueue);
    change(
      `INSERT INTO punctual_events (type, tenant, at) VALUES ('tick:fired', 'default', ${Date.now() - 40 * 24 * hourMs})`,
    );
    expect(await troubles()).toMatchObject([
      {
        check: "retention",
        status: "warn",
        what: expect.stringContaining("events of"),
        mend: expect.stringContaining("janitor"),
      },
    ]);
  });

  it("O5 names damaged rows", async () => {
    await withClock(0, async (scheduler) => {
      await enqueue(scheduler);
      await scheduler.schedules.ensure("hourly", { task: "greet", when: every("1h") });
    });
    change("UPDATE punctual_jobs SET detail = '{oops'; UPDATE punctual_schedules SET schedule = 'gone'");
    const rows = (await troubles()).filter(({ check }) => check === "rows");
    expect(rows.map(({ what }) => what)).toEqual([
      expect.stringMatching(/^job [0-9a-f-]{36} is damaged: its detail is no JSON \(table punctual_jobs\)$/),
      "schedule default/hourly is damaged: its schedule is no JSON (table punctual_schedules)",
    ]);
  });

  it("J14 finds counters that disagree with the rows", async () => {
    await withClock(0, enqueue);
    change("DELETE FROM punctual_jobs");
    expect(await troubles()).toMatchObject([
      { check: "counters", status: "problem", what: "queue default of tenant default counts 1 jobs and holds 0" },
    ]);
  });

  it("O4 finds a schema that has drifted, by table and column", async () => {
    await withClock(0, enqueue);
    change("DROP INDEX punctual_schedules_due");
    expect(await troubles()).toMatchObject([
      { check: "schema", status: "problem", what: "the index punctual_schedules_due of punctual_schedules is missing" },
    ]);
  });
});
