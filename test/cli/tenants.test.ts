// `punctual tenants`: list, limits.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cron } from "../../src/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

const place = new Workplace();
afterAll(() => place[Symbol.asyncDispose]());
beforeAll(() =>
  place.with(async (scheduler) => {
    await scheduler.schedules.ensure("daily", { task: "t", when: cron("@daily"), tenant: "acme" });
    await scheduler.enqueue("t", 1, { tenant: "beta" });
    await scheduler.enqueue("t", 1, { tenant: "beta", delay: "1h" });
  }),
);

const create = ["schedules", "create", "second", "--task", "t", "--cron", "@daily", "--tenant", "acme"];

describe("punctual tenants", () => {
  it("list shows what tenants have", async () => {
    const { stdout } = await place.run(["tenants", "list"]);
    expect(stdout).toMatch(/^TENANT +SCHEDULES +PENDING +ACTIVE +WEIGHT\nacme +1 +0 +0 +1\nbeta +0 +2 +0 +1\n$/);
    expect(await place.json("tenants", "list", "--id-prefix", "b")).toMatchObject({ items: [{ id: "beta" }] });
    const first = await place.json<{ items: unknown[]; next: string }>("tenants", "list", "--limit", "1");
    expect(first.items).toHaveLength(1);
    expect(await place.json("tenants", "list", "--cursor", first.next)).toMatchObject({ items: [{ id: "beta" }] });
  });

  it("N2 limits sets what is given, keeps the rest, and shows what is there", async () => {
    const set = ["--weight", "5", "--concurrency", "3", "--rate", "10/1m", "--max-active-schedules", "1"];
    await place.json("tenants", "limits", "acme", ...set, "--min-interval", "5m", "--max-horizon", "unlimited");
    await place.json("tenants", "limits", "acme", "--max-pending-jobs", "7", "--payload-bytes-max", "1000");
    const shown = await place.json<object>("tenants", "limits", "acme");
    const own = { maxActiveSchedules: 1, minIntervalMs: 300_000, maxPendingJobs: 7, payloadBytesMax: 1_000 };
    expect(shown).toMatchObject({
      ...{ id: "acme", weight: 5, concurrency: 3, rate: { count: 10, periodMs: 60_000 }, activeSchedules: 1 },
      ownGuardrails: { ...own, maxHorizonMs: "unlimited" },
      guardrails: own,
    });
    const { stdout } = await place.run(["tenants", "limits", "acme"]);
    expect(stdout).toMatch(/^rate +10 per 1m$/m);
    expect(stdout).toMatch(/^limits +max-active-schedules 1, min-interval 5m, .*max-horizon unlimited/m);
    // They hold for the next call of any process.
    const refused = await place.run([...create, "--json"]);
    expect([refused.code, failureIn(refused).code]).toEqual([1, "LIMIT_EXCEEDED"]);
  });

  it("N2 limits are lifted by none, default and unlimited", async () => {
    const lifted = ["--weight", "default", "--concurrency", "none", "--rate", "none", "--max-horizon", "default"];
    const shown = await place.json<{ ownGuardrails: object }>("tenants", "limits", "acme", ...lifted);
    expect(shown).toMatchObject({ weight: 1 });
    expect(shown).not.toHaveProperty("concurrency");
    expect(shown).not.toHaveProperty("rate");
    const left = ["maxActiveSchedules", "maxPendingJobs", "minIntervalMs", "payloadBytesMax"];
    expect(Object.keys(shown.ownGuardrails).sort()).toEqual(left);
    await place.json("tenants", "limits", "acme", "--max-active-schedules", "unlimited");
    expect((await place.run(create)).code).toBe(0);
  });

  it("N2 none and unlimited are taken for each other", async () => {
    await place.json("tenants", "limits", "gamma", "--concurrency", "3", "--rate", "10/1m", "--max-pending-jobs", "5");
    const lifted = ["--concurrency", "unlimited", "--rate", "default", "--max-pending-jobs", "none"];
    const shown = await place.json<object>("tenants", "limits", "gamma", ...lifted);
    expect(shown).toMatchObject({ ownGuardrails: { maxPendingJobs: "unlimited" } });
    expect(shown).not.toHaveProperty("concurrency");
    expect(shown).not.toHaveProperty("rate");
  });

  it.each([
    [["--min-interval", "5"], "--min-interval must name a unit", "Write 5s, 5m, 5h or 5d."],
    [["--max-horizon", "7"], "--max-horizon must name a unit", "Write 7s, 7m, 7h or 7d."],
    [["--rate", "10/60"], "--rate must name a unit", "Write 10/60s, 10/60m, 10/60h or 10/60d."],
    [["--min-interval", "500ms"], "--min-interval must be 1s or more", "once a second"],
    [["--concurrency", "many"], "--concurrency must be a whole number", '"--concurrency none" lifts it'],
    [["--min-interval", "never"], "--min-interval must be", '"--min-interval unlimited" lifts it'],
    [["--weight", "none"], "--weight must be a whole number", '"--weight default" is 1'],
  ])("N2 limits refuses %j and says what to write", async (args, message, mend) => {
    const ended = await place.run(["tenants", "limits", "acme", ...args, "--json"]);
    expect([ended.code, failureIn(ended)]).toMatchObject([
      64,
      { field: args[0], message: expect.stringContaining(message), mend: expect.stringContaining(mend) },
    ]);
  });

  it("shows a tenant that nobody has named yet", async () => {
    const { stdout } = await place.run(["tenants", "limits", "new"]);
    expect(stdout).toMatch(/^weight +1$/m);
    expect(stdout).toMatch(/^limits +none of its own$/m);
  });

  it.each([
    [["--weight", "0"], "--weight"],
    [["--weight", "much"], "--weight"],
    [["--concurrency", "0"], "--concurrency"],
    [["--rate", "10"], "--rate"],
    [["--rate", "0/1m"], "--rate"],
    [["--rate", "10/soon"], "--rate"],
    [["--min-interval", "soon"], "--min-interval"],
    [["--max-active-schedules", "-1"], "--max-active-schedules"],
    [["--max-pending-jobs", "many"], "--max-pending-jobs"],
    [["--tenant", "beta"], "--tenant"],
  ])("limits refuses %j and names %s", async (args, field) => {
    const ended = await place.run(["tenants", "limits", "acme", ...args, "--json"]);
    expect([ended.code, failureIn(ended).field]).toEqual([64, field]);
  });
});
