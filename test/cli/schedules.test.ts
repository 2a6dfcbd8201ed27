// `punctual schedules` on one SQLite file.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cron, every, except, once, union } from "../../src/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

interface Schedule {
  readonly id: string;
  readonly [name: string]: unknown;
}

const place = new Workplace();
afterAll(() => place[Symbol.asyncDispose]());

beforeAll(() =>
  place.with(async ({ schedules }) => {
    await schedules.ensureMany([
      {
        id: "daily",
        task: "report",
        when: cron("0 9 * * *", { timezone: "Europe/Paris" }),
        jitter: "30s",
        name: "Daily",
      },
      { id: "often", task: "poll", when: every("1h"), queue: "polls", overlap: "skip" },
      { id: "often", task: "poll", when: every("2h"), tenant: "acme", overlap: "queue" },
      {
        id: "rare",
        task: "report",
        when: except(union(once("2050-01-01T00:00:00Z"), cron("@yearly")), ["2051-01-01"]),
      },
    ]);
  }),
);

describe("punctual schedules", () => {
  it("list shows them by tenant and id", async () => {
    const { code, stdout, stderr } = await place.run(["schedules", "list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ID +TENANT +NEXT +RULE +TASK +QUEUE +FIRED +NAME$/);
    expect(lines.slice(1).map((line) => line.split(" ")[0])).toEqual(["often", "daily", "often", "rare"]);
    expect(stdout).toMatch(/^daily .* 0 9 \* \* \* Europe\/Paris +report +default +0 {2}Daily$/m);
    expect(stdout).toMatch(/^rare .* once 2050-01-01T00:00:00Z or @yearly UTC except 2051-01-01 /m);
  });

  it.each([
    [
      ["--task", "poll"],
      ["often", "often"],
    ],
    [["--queue", "polls"], ["often"]],
    [["--tenant", "acme"], ["often"]],
    [["--id-prefix", "da"], ["daily"]],
    [
      ["--enabled", "--task", "report"],
      ["daily", "rare"],
    ],
    [["--disabled"], []],
  ])("list filters by %j", async (args, expected) => {
    const { items } = await place.json<{ items: Schedule[] }>("schedules", "list", ...args);
    expect(items.map(({ id }) => id)).toEqual(expected);
  });

  it("list pages by --limit and --cursor", async () => {
    const first = await place.json<{ items: Schedule[]; next: string }>("schedules", "list", "--limit", "3");
    const rest = await place.json<{ items: Schedule[] }>("schedules", "list", "--cursor", first.next);
    expect(rest.items.map(({ id }) => id)).toEqual(["rare"]);
  });

  it("S10 show prints a schedule and its next ticks", async () => {
    const { stdout } = await place.run(["schedules", "show", "daily"]);
    expect(stdout).toMatch(/^rule +0 9 \* \* \* Europe\/Paris$/m);
    expect(stdout).toMatch(/^NEXT TICKS +JOB DUE$/m);
    const shown = await place.json<{ next: { tick: string; dueAt: string }[] }>("schedules", "show", "daily");
    expect(shown).toMatchObject({ id: "daily", jitterMs: 30_000, overlap: "skip", enabled: true });
    expect(shown.next).toHaveLength(5);
  });

  it("names no schedule of another tenant", async () => {
    expect(await place.json("schedules", "show", "often", "--tenant", "acme")).toMatchObject({ overlap: "queue" });
    const ended = await place.run(["schedules", "show", "daily", "--tenant", "acme", "--json"]);
    expect(ended.code).toBe(1);
    expect(failureIn(ended)).toMatchObject({ code: "NOT_FOUND", field: "ID" });
  });

  it("S7 disable stops a schedule and enable lets it fire again", async () => {
    expect((await place.run(["schedules", "disable", "daily", "--reason", "holidays"])).stdout).toBe(
      "disabled daily\n",
    );
    expect(await place.json("schedules", "show", "daily")).toMatchObject({
      enabled: false,
      disabledReason: "holidays",
      next: [],
    });
    expect((await place.run(["schedules", "list", "--disabled"])).stdout).toMatch(/^daily {2}disabled: holidays /m);
    expect(await place.json("schedules", "enable", "daily")).toMatchObject({ enabled: true });
  });

  it("S10 trigger makes a job, passing through the overlap policy", async () => {
    const fired = await place.json<{ outcome: string; job: string }>(
      ...["schedules", "trigger", "often", "--tick", "2026-01-01T00:00:00Z"],
    );
    expect(fired.outcome).toBe("fired");
    expect(await place.json("jobs", "show", fired.job)).toMatchObject({
      task: "poll",
      schedule: { id: "often", tick: "2026-01-01T00:00:00.000Z" },
    });
    expect((await place.run(["schedules", "trigger", "often"])).stdout).toMatch(/^skipped often/);
    expect((await place.run(["schedules", "trigger", "often", "--tick", "noon"])).code).toBe(64);
  });

  it("S10 history says how late a tick was in two units, and nothing of a trigger for a tick to come", async () => {
    await place.with(async ({ schedules }) => {
      await schedules.ensure("far", { task: "poll", when: cron("@daily"), overlap: "allow" });
      await schedules.trigger("far", { tick: new Date(Date.now() - 500_000_123) });
      await schedules.trigger("far", { tick: "2090-01-01T00:00:00Z" });
    });
    const { stdout } = await place.run(["schedules", "history", "far"]);
    expect(stdout).toMatch(/^2090-01-01T00:00:00Z +triggered +\S+Z +[0-9a-z-]{20,}/m);
    expect(stdout).toMatch(/ triggered +\S+Z +5d19h /);
  });

  it("S7 remove takes its pending jobs along with --cancel-pending", async () => {
    expect(await place.json("schedules", "remove", "often", "--cancel-pending")).toEqual({
      id: "often",
      outcome: "removed",
    });
    const { items } = await place.json<{ items: Schedule[] }>("jobs", "list", "--schedule", "often");
    expect(items).toMatchObject([{ state: "cancelled" }]);
    const again = await place.run(["schedules", "remove", "often", "--json"]);
    expect(again.code).toBe(1);
    expect(failureIn(again)).toMatchObject({ code: "NOT_FOUND", field: "ID" });
  });

  it.each(["enable", "disable", "trigger"])("%s of an unknown schedule exits with 1", async (command) => {
    const ended = await place.run(["schedules", command, "none", "--json"]);
    expect(ended.code).toBe(1);
    expect(failureIn(ended)).toMatchObject({ code: "NOT_FOUND", field: "ID" });
  });
});
