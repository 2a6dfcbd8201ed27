// `punctual schedules`: create, update, preview, backfill.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cron, union } from "../../src/index.ts";
import { failureIn, source, Workplace } from "./punctual.ts";

const place = new Workplace();
afterAll(() => place[Symbol.asyncDispose]());
beforeAll(() => place.with(({ schedules }) => schedules.ensure("other", { task: "t", when: cron("@daily") })));

const schedules = <T>(...args: readonly string[]) => place.json<T>("schedules", ...args);

describe("punctual schedules create", () => {
  it("S1 takes a cron expression and every other option of a definition", async () => {
    const created = await schedules(
      ...["create", "daily", "--task", "report", "--cron", "30 2 * * 1-5", "--tz", "Europe/Paris", "--on-gap", "skip"],
      ...["--on-overlap", "both", "--input", '{"a":1}', "--tenant", "acme", "--jitter", "30s", "--overlap", "queue"],
      ...[
        "--catch-up",
        "all",
        "--catch-up-window",
        "1d",
        "--catch-up-limit",
        "5",
        "--start-at",
        "2050-01-01T00:00:00Z",
      ],
      ...["--end-at", "2060-01-01T00:00:00Z", "--max-ticks", "10", "--pause-on-failure", "3", "--queue", "reports"],
      ...["--priority", "high", "--attempts", "2", "--name", "Daily", "--metadata", '{"team":"ops"}'],
    );
    expect(created).toMatchObject({
      ...{ id: "daily", tenant: "acme", task: "report", queue: "reports", priority: 2, attempts: 2, name: "Daily" },
      when: { ...cron("30 2 * * 1-5", { timezone: "Europe/Paris", onGap: "skip", onOverlap: "both" }) },
      ...{ input: { a: 1 }, metadata: { team: "ops" }, jitterMs: 30_000, overlap: "queue" },
      catchUp: { policy: "all", windowMs: 86_400_000, limit: 5 },
      ...{ startAt: "2050-01-01T00:00:00.000Z", endAt: "2060-01-01T00:00:00.000Z" },
      ...{ maxTicks: 10, pauseOnFailure: 3, enabled: true, revision: 1 },
    });
    const { items } = await place.json<{ items: object[] }>("events", "list", "--schedule", "daily");
    expect(items).toMatchObject([{ type: "schedule:created", actor: "cli" }]);
  });

  it("S1 takes an interval, an instant and any rule as JSON; the input is null by default", async () => {
    const anchored = ["--every", "90s", "--anchor", "2026-01-01T00:00:00Z"];
    expect(await schedules("create", "often", "--task", "t", ...anchored)).toMatchObject({
      when: { kind: "every", everyMs: 90_000, anchor: Date.UTC(2026, 0, 1) },
      input: null,
    });
    const late = await place.run(["schedules", "create", "late", "--task", "t", "--at", "2020-01-01T00:00:00Z"]);
    expect(late.stdout).toMatch(/^created late, next tick 2020-01-01T00:00:00Z \(.* ago\)\n$/);
    const when = union(cron("0 9 * * 1"), cron("0 17 * * 5"));
    expect(await schedules("create", "two", "--task", "t", "--when", JSON.stringify(when))).toMatchObject({
      when: JSON.parse(JSON.stringify(when)),
    });
  });

  it("J13 reads the input from standard input; the task of --tasks checks it and names the queue", async () => {
    const tasks = place.write(
      "tasks.ts",
      `import { handle, task } from ${JSON.stringify(source("index.ts"))};
       const validate = (value) => (value?.ok === true ? { value } : { issues: [{ message: "must be ok" }] });
       const schema = { "~standard": { version: 1, vendor: "test", validate } };
       export const mail = handle(task("mail", { queue: "mails", schema }), () => 0);`,
    );
    const args = ["schedules", "create", "mail", "--task", "mail", "--every", "1h", "--tasks", tasks, "--json"];
    const created = await place.run([...args, "--input", "-"], { input: '{"ok":true}' });
    expect(JSON.parse(created.stdout)).toMatchObject({ queue: "mails", input: { ok: true } });
    const refused = await place.run([...args, "--input", "{}"]);
    expect([refused.code, failureIn(refused).code]).toEqual([65, "INPUT_REFUSED"]);
  });

  it.each([
    [["x", "--task", "t"], "--cron", 64],
    [["x", "--cron", "@daily"], "--task", 64],
    [["x", "--task", "t", "--cron", "@daily", "--every", "1h"], "--every", 64],
    [["x", "--task", "t", "--every", "1h", "--tz", "UTC"], "--tz", 64],
    [["x", "--task", "t", "--every", "soon"], "--every", 64],
    [["x", "--task", "t", "--cron", "61 * * * *"], "minute", 64],
    [["x", "--task", "t", "--cron", "@daily", "--tz", "Mars/Base"], "--tz", 64],
    [["x", "--task", "t", "--at", "noon"], "--at", 64],
    [["x", "--task", "t", "--when", "{}"], "--when", 64],
    [["x", "--task", "t", "--cron", "@daily", "--overlap", "maybe"], "--overlap", 64],
    [["x", "--task", "t", "--cron", "@daily", "--catch-up-window", "1h"], "--catch-up-window", 64],
    [["x", "--task", "t", "--cron", "@daily", "--catch-up", "all", "--catch-up-window", "x"], "--catch-up-window", 64],
    [["x", "--task", "t", "--cron", "@daily", "--max-ticks", "few"], "--max-ticks", 64],
    [["x", "--task", "t", "--cron", "@daily", "--metadata", "{"], "--metadata", 64],
    [["x", "--task", "t", "--cron", "@daily", "--end-at", "2020-01-01T00:00:00Z"], "--cron", 64],
    [["other", "--task", "t", "--cron", "@daily"], "ID", 1],
  ])("refuses %j and names %s", async (args, field, code) => {
    const ended = await place.run(["schedules", "create", ...args, "--json"]);
    expect([ended.code, failureIn(ended).field]).toEqual([code, field]);
  });
});

describe("punctual schedules update", () => {
  it("S6 changes what is given and keeps the rest; none takes away", async () => {
    const made = ["create", "report", "--task", "t", "--cron", "0 9 * * *", "--tz", "Asia/Tokyo", "--name", "Nine"];
    await schedules(...made, "--input", "1", "--max-ticks", "5", "--end-at", "2050-01-01T00:00:00Z");
    const changed = await schedules("update", "report", "--input", "2", "--max-ticks", "none", "--jitter", "1m");
    expect(changed).toMatchObject({
      ...{ input: 2, jitterMs: 60_000, name: "Nine", endAt: "2050-01-01T00:00:00.000Z", revision: 2 },
      when: { timezone: "Asia/Tokyo" },
    });
    expect(changed).not.toHaveProperty("maxTicks");
    const bare = await schedules("update", "report", "--end-at", "none", "--name", "", "--cron", "0 8 * * *");
    expect(bare).not.toHaveProperty("endAt");
    expect(bare).not.toHaveProperty("name");
    expect(bare).toMatchObject({ when: { expression: "0 8 * * *", timezone: "UTC" }, revision: 3 });
  });

  it("S6 says so when what is given is there already", async () => {
    await schedules("create", "same", "--task", "t", "--cron", "@daily");
    const update = async () => (await place.run(["schedules", "update", "same", "--overlap", "allow"])).stdout;
    expect(await update()).toMatch(/^updated same to revision 2, next tick /);
    expect(await update()).toMatch(/^nothing new: same stays at revision 2, next tick /);
  });

  it("S6 with --revision overwrites no change made meanwhile", async () => {
    const update = (...args: readonly string[]) => place.run(["schedules", "update", "other", "--json", ...args]);
    expect((await update("--priority", "low", "--revision", "1")).code).toBe(0);
    const stale = await update("--priority", "high", "--revision", "1");
    expect([stale.code, failureIn(stale)]).toMatchObject([1, { code: "REVISION_CONFLICT", field: "--revision" }]);
    expect([(await update()).code, (await update("--revision", "2")).code]).toEqual([64, 64]);
    const unknown = await place.run(["schedules", "update", "none", "--priority", "low", "--json"]);
    expect([unknown.code, failureIn(unknown).field]).toEqual([1, "ID"]);
  });
});

describe("punctual schedules preview", () => {
  it("S10 prints the ticks of a schedule, of it with other times, and of one that is not there", async () => {
    const times = async (...args: readonly string[]) =>
      (await schedules<{ tick: string; dueAt: string }[]>("preview", ...args)).map(({ tick }) => tick.slice(11, 16));
    expect(await times("other")).toEqual(Array.from({ length: 5 }, () => "00:00"));
    expect(await times("other", "--cron", "0 9 * * *", "--count", "2")).toEqual(["09:00", "09:00"]);
    expect(await times("none", "--at", "2050-01-01T10:30:00Z", "--jitter", "0")).toEqual(["10:30"]);
    expect((await place.run(["schedules", "show", "none"])).code).toBe(1);
    const gap = ["--cron", "30 2 * * *", "--tz", "Europe/Paris", "--start-at", "2050-03-27T00:00:00Z"];
    const { stdout } = await place.run(["schedules", "preview", "none", ...gap, "--count", "1"]);
    expect(stdout).toMatch(/^NEXT TICKS +NOTE\n2050-03-27T01:00:00Z .* moved: wall time 02:30/);
    const unknown = await place.run(["schedules", "preview", "none", "--json"]);
    expect([unknown.code, failureIn(unknown).field]).toEqual([1, "ID"]);
    expect((await place.run(["schedules", "preview", "none", "--jitter", "1m"])).code).toBe(64);
  });

  it("S10 of a disabled schedule says that none of the ticks fires, and why", async () => {
    await schedules("create", "off", "--task", "t", "--cron", "@daily");
    await schedules("disable", "off", "--reason", "not paid");
    const { stdout } = await place.run(["schedules", "preview", "off", "--count", "1"]);
    expect(stdout).toMatch(/\noff is disabled \(not paid\): none of these fires until it is enabled\n$/);
    expect(await schedules<object[]>("preview", "off", "--count", "1")).toHaveLength(1);
  });

  it.each([
    [["--end-at", "2020-01-01T00:00:00Z"], "--end-at"],
    [["--every", "soon"], "--every"],
    [["--when", "{}"], "--when"],
    [["--cron", "@daily", "--end-at", "2020-01-01T00:00:00Z"], "--cron"],
  ])("S10 refuses %j by the option that was given", async (args, field) => {
    const ended = await place.run(["schedules", "preview", "other", ...args, "--json"]);
    expect([ended.code, failureIn(ended).field]).toEqual([64, field]);
    expect(failureIn(ended).message).toMatch(new RegExp(`^${field}`));
  });
});

describe("punctual schedules backfill", () => {
  const range = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-10T00:00:00Z"];
  const jobsOf = async (id: string) =>
    (await place.json<{ items: { dueAt: string; priority: number }[] }>("jobs", "list", "--schedule", id)).items;
  beforeAll(() => place.with(({ schedules }) => schedules.ensure("past", { task: "t", when: cron("@daily") })));

  it("S10 with --dry-run says what it would do, and makes nothing", async () => {
    const { stdout } = await place.run(["schedules", "backfill", "past", ...range, "--dry-run"]);
    expect(stdout).toBe(
      "would backfill past: 1 job would be made for 2026-01-01T00:00:00Z\n" +
        "9 ticks would be skipped by the overlap policy: 2026-01-02T00:00:00Z to 2026-01-10T00:00:00Z\n",
    );
    expect(await jobsOf("past")).toEqual([]);
  });

  it("S10 makes the jobs through the overlap policy, no faster than --rate", async () => {
    const all = ["--overlap", "allow", "--rate", "2/1h", "--priority", "low"];
    const { stdout } = await place.run(["schedules", "backfill", "past", ...range, ...all]);
    expect(stdout).toMatch(
      /^backfilled past: 10 jobs made for 2026-01-01T00:00:00Z to 2026-01-10T00:00:00Z\nthe last is due .* \(in 4h/,
    );
    const made = await jobsOf("past");
    expect(made.map(({ priority }) => priority)).toEqual(Array.from({ length: 10 }, () => 10));
    const dueAt = made.map((job) => Date.parse(job.dueAt)).sort((a, b) => a - b);
    expect(dueAt.slice(1).map((at, index) => Math.round((at - (dueAt[index] ?? 0)) / 60_000))).toEqual(
      Array.from({ length: 9 }, () => 30),
    );
    const history = await place.run(["schedules", "history", "past"]);
    expect(history.stdout).toMatch(/^2026-01-10T00:00:00Z +backfilled .* cli$/m);
    expect(await place.json("schedules", "backfill", "past", ...range)).toMatchObject({
      dryRun: false,
      ...{ fired: { count: 0 }, held: { count: 0 }, skipped: { count: 10 }, ticks: [] },
    });
  });

  it.each([
    [["past"], "--from", 64],
    [["past", "--from", "soon"], "--from", 64],
    [["past", "--from", "1d", "--to", "2d"], "--to", 64],
    [["past", "--from", "1d", "--rate", "10"], "--rate", 64],
    [["past", "--from", "1d", "--overlap", "maybe"], "--overlap", 64],
    [["none", "--from", "1d"], "ID", 1],
  ])("refuses %j and names %s", async (args, field, code) => {
    const ended = await place.run(["schedules", "backfill", ...args, "--json"]);
    expect([ended.code, failureIn(ended).field]).toEqual([code, field]);
  });

  it.each([
    [["--from", "40000d"], "--from must be between 0ms and 36525d"],
    [["--from", "1d", "--to", "2d"], "--to must not be before --from"],
  ])("refuses %j and says the bound", async (args, message) => {
    const ended = await place.run(["schedules", "backfill", "past", ...args, "--json"]);
    expect([ended.code, failureIn(ended).message]).toEqual([64, expect.stringContaining(message)]);
  });
});
