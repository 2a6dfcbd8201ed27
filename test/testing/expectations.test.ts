// Assertions: what passes, and what the error says when one does not.
import { AssertionError } from "node:assert";
import { describe, expect, it } from "vitest";
import { cron, handle, task } from "../../src/index.ts";
import { testScheduler } from "../../src/testing/index.ts";

const mail = task<{ to: string; tags?: string[]; from?: { name: string; domain: string } }>("mail", { queue: "mails" });
const fails = task("fails", { retry: { attempts: 1 } });

async function messageOf(failing: Promise<unknown>): Promise<string> {
  const error = await failing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AssertionError)) throw new Error(`no AssertionError: ${String(error)}`);
  return error.message;
}

describe("expectEnqueued", () => {
  it("matches by parts of the input, and by what else is named", async () => {
    await using t = await testScheduler();
    await t.enqueue(
      mail,
      { to: "ada", tags: ["a", "b"], from: { name: "Bob", domain: "x.org" } },
      { delay: "1h", key: "k" },
    );
    await t.tenant("acme").enqueue(mail, { to: "eve" });
    const job = await t.expectEnqueued(mail, {
      ...{ input: { to: "ada", from: { domain: "x.org" } }, queue: "mails", tenant: "default", key: "k" },
      ...{ state: "delayed", dueIn: "1h", dueAt: "2026-01-01T01:00", count: 1 },
    });
    expect(job.input).toMatchObject({ tags: ["a", "b"] });
    await t.expectEnqueued(mail, { input: ({ to }) => to.startsWith("a") });
    await t.expectEnqueued(mail, { input: { to: expect.stringMatching(/^e/) }, tenant: "acme" });
    await t.expectEnqueued("mail", { count: 2, state: ["waiting", "delayed"] });
    await t.expectNotEnqueued(mail, { input: { tags: ["a"] } });
    await t.expectNotEnqueued(mail, { dueIn: "2h" });
    expect(await t.jobsOf(mail, { tenant: "acme" })).toHaveLength(1);
    expect(await t.jobsOf()).toHaveLength(2);
  });

  it("lists what there is, and where each differs", async () => {
    await using t = await testScheduler({ timezone: "Europe/Paris" });
    await t.enqueue(mail, { to: "ada", tags: ["a"] });
    await t.enqueue(mail, { to: "eve", tags: ["b", "c"] }, { key: "k" });
    expect(await messageOf(t.expectEnqueued(mail, { input: { to: "eve", tags: ["b"] } }))).toBe(
      [
        'expected a job of mail to be enqueued with input {"to":"eve","tags":["b"]}; found 0',
        "jobs of mail at 2026-01-01T00:00:00.000Z (2026-01-01T01:00 Europe/Paris):",
        '  - mail, waiting, queue mails, due 2026-01-01T00:00:00.000Z (2026-01-01T01:00 Europe/Paris), input {"to":"ada","tags":["a"]}',
        '      input.to is "ada", expected "eve"',
        '  - mail, waiting, queue mails, key k, due 2026-01-01T00:00:00.000Z (2026-01-01T01:00 Europe/Paris), input {"to":"eve","tags":["b","c"]}',
        "      input.tags has 2 items, expected 1",
      ].join("\n"),
    );
    expect(await messageOf(t.expectNotEnqueued(mail, { key: "k" }))).toMatch(
      /^expected no job of mail to be enqueued with key "k"; found 1\n.*\n.*\n.*\n {2}\+ mail, waiting, queue mails, key k/,
    );
    expect(await messageOf(t.expectEnqueued(mail, { count: 1 }))).toMatch(/expected 1 job of mail .*; found 2/);
    expect(await messageOf(t.expectEnqueued("post"))).toBe(
      "expected a job of post to be enqueued; found 0\nthere is no job of post; there are 2 of mail",
    );
    expect(await messageOf(t.expectEnqueued(mail, { dueIn: "1h" }))).toMatch(/it is due .*, expected 2026-01-01T01:00/);
  });

  it("refuses what is no match", async () => {
    await using t = await testScheduler();
    await expect(t.expectEnqueued(mail, { que: "x" } as never)).rejects.toThrow(/que is not an option; known are/);
    await expect(t.expectEnqueued(mail, { count: 0 })).rejects.toThrow(/for none there is expectNot/);
  });
});

describe("expectCompleted and expectFailed", () => {
  it("look at outputs, attempts and reasons, and say what was so instead", async () => {
    await using t = await testScheduler({
      handlers: [
        handle(mail, ({ to }) => ({ sent: to })),
        handle(fails, () => {
          throw new Error("the server said no");
        }),
      ],
    });
    await t.enqueue(mail, { to: "ada" });
    await t.enqueue(fails, {});
    await t.settle();
    await t.expectCompleted(mail, { output: { sent: "ada" }, attempt: 1 });
    await t.expectFailed(fails, { reason: "said no" });
    await t.expectFailed(fails, { reason: /no$/ });
    expect(await messageOf(t.expectCompleted(fails))).toMatch(/state is failed, expected completed/);
    expect(await messageOf(t.expectFailed(fails, { reason: "timeout" }))).toMatch(/reason is "the server said no"/);
  });
});

describe("expectTick", () => {
  const options = { startAt: "2026-03-29T01:59:50", timezone: "Europe/Paris" } as const;
  const when = cron("*/10 * * * * *", { timezone: "Europe/Paris" });

  it("finds ticks by instant, range and number", async () => {
    await using t = await testScheduler(options);
    await t.schedules.create("s", { task: mail, input: { to: "ada" }, when, overlap: "allow" });
    await t.clock.advance("30s");
    await t.expectTick("s");
    await t.expectTick("s", { at: "2026-03-29T03:00:10", count: 1 });
    await t.expectTick("s", { between: ["2026-03-29T03:00", "2026-03-29T03:00:20"], count: 2 });
    await t.expectNoTick("s", { at: "2026-03-29T03:00:05" });
    await t.expectNoTick("s", { skipped: true });
    expect(await t.ticksOf("s")).toHaveLength(3);
  });

  it("finds skipped ticks by their reason", async () => {
    await using t = await testScheduler(options);
    await t.schedules.create("s", { task: mail, input: { to: "ada" }, when });
    await t.clock.advance("30s");
    await t.expectTick("s", { count: 1 });
    await t.expectTick("s", { skipped: "overlap", count: 2 });
  });

  it("lists the ticks there are, or the schedules", async () => {
    await using t = await testScheduler(options);
    await t.schedules.create("s", { task: mail, input: { to: "ada" }, when });
    await t.clock.advance("11s");
    expect(await messageOf(t.expectTick("s", { at: "2026-03-29T03:00:20" }))).toBe(
      [
        "expected a tick of schedule s at 2026-03-29T01:00:20.000Z (2026-03-29T03:00:20 Europe/Paris); found 0",
        "its ticks until 2026-03-29T01:00:01.000Z (2026-03-29T03:00:01 Europe/Paris):",
        "  - 2026-03-29T01:00:00.000Z (2026-03-29T03:00 Europe/Paris) fired",
      ].join("\n"),
    );
    expect(await messageOf(t.expectTick("x"))).toMatch(/it has no tick until .*; the schedules are: s$/);
    expect(await messageOf(t.expectNoTick("s"))).toMatch(/expected no tick of schedule s; found 1/);
  });

  it("lists those next to the instant that was wanted", async () => {
    await using t = await testScheduler(options);
    await t.schedules.create("s", { task: mail, input: { to: "ada" }, when, overlap: "allow" });
    await t.clock.advance("10m");
    const lines = (await messageOf(t.expectTick("s", { at: "2026-03-29T03:05:05" }))).split("\n").slice(2);
    expect(lines).toHaveLength(14);
    expect(lines.at(0)).toBe("  ... 25 before");
    expect(lines.at(6)).toMatch(/T01:05:00/);
    expect(lines.at(7)).toMatch(/T01:05:10/);
    expect(lines.at(-1)).toBe("  ... and 23 more");
    const first = (await messageOf(t.expectTick("s", { count: 1 }))).split("\n").slice(2);
    expect([first.length, first[0], first.at(-1)]).toEqual([
      13,
      expect.stringMatching(/T01:00:00/),
      "  ... and 48 more",
    ]);
    const range = ["2026-03-29T03:09:55", "2026-03-29T03:09:58"] as const;
    const last = (await messageOf(t.expectTick("s", { between: range }))).split("\n").slice(2);
    expect(last.at(0)).toMatch(/before$/);
    expect(last.at(-1)).toMatch(/T01:09:50/);
  });
});

describe("expectNoTick", () => {
  const when = cron("0 9 * * *");
  const start = async () => {
    const t = await testScheduler();
    await t.schedules.create("daily", { task: mail, input: { to: "ada" }, when });
    await t.clock.advance("2d");
    return t;
  };

  it("does not pass for a schedule that there is not, of a tenant or at all; for one that was removed it does", async () => {
    await using t = await start();
    expect(await messageOf(t.expectNoTick("dialy"))).toBe(
      "expected no tick of schedule dialy; there is no such schedule; the schedules are: daily",
    );
    expect(await messageOf(t.expectNoTick("daily", { tenant: "acme" }))).toMatch(/no such schedule of tenant acme/);
    await t.schedules.remove("daily");
    await t.clock.advance("1d");
    await t.expectNoTick("daily", { between: ["2026-01-03", "2026-01-04"] });
    await t.schedules.create("brief", { task: mail, input: { to: "ada" }, when });
    await t.schedules.remove("brief");
    await t.expectNoTick("brief");
  });

  it("does not pass for a time that the clock has not reached", async () => {
    await using t = await start();
    await t.expectNoTick("daily", { between: ["2026-01-02T10:00", "2026-01-03"] });
    await expect(t.expectNoTick("daily", { between: ["2026-01-02T10:00", "2026-01-04"] })).rejects.toThrow(
      /^between\[1\] is 2026-01-04T00:00:00.000Z, and the clock shows 2026-01-03T00:00:00.000Z: nobody knows yet/,
    );
    await expect(t.expectNoTick("daily", { at: "2026-01-04" })).rejects.toMatchObject({ field: "at" });
    expect(await messageOf(t.expectTick("daily", { at: "2026-01-03T09:00" }))).toMatch(
      /its ticks until 2026-01-03T00:00/,
    );
  });

  it("refuses a range that ends before it begins, as expectTick does", async () => {
    await using t = await start();
    const between = ["2026-01-03", "2026-01-01"] as const;
    await expect(t.expectNoTick("daily", { between })).rejects.toThrow(
      /between must begin before it ends, got 2026-01-03/,
    );
    await expect(t.expectTick("daily", { between })).rejects.toMatchObject({ code: "INVALID_INPUT", field: "between" });
    await expect(t.expectTick("daily", { skipped: "overlapp" as never })).rejects.toThrow(/skipped must be/);
  });
});
