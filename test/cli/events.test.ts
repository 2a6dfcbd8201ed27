// `punctual events`, `jobs purge` and `schedules history` on one SQLite file.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { every, handle, PermanentError, type TickRecord, task } from "../../src/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

interface Event {
  readonly id: number;
  readonly type: string;
  readonly job?: string;
  readonly actor?: string;
}

/** The JSON of each line. */
function lines(text: string): Event[] {
  return text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Event);
}

describe("the history on the command line", () => {
  const place = new Workplace();
  const ids: string[] = [];
  const bad = handle(task("bad"), () => {
    throw new PermanentError("no such account");
  });

  beforeAll(async () => {
    await place.with(
      async (scheduler) => {
        for (let turn = 0; turn < 3; turn++) ids.push((await scheduler.enqueue("bad", turn)).id);
        const ended = new Promise<void>((resolve) => {
          let count = 0;
          scheduler.on("job:failed", () => {
            count++;
            if (count === 3) resolve();
          });
        });
        await scheduler.start({ roles: ["worker"] });
        await ended;
        await scheduler.schedules.create("hourly", { task: "none", input: 1, when: every("1h") });
      },
      [bad],
    );
  });
  afterAll(() => place[Symbol.asyncDispose]());

  it("N5 events list shows pages of what it is asked for, newest first", async () => {
    const { items, next } = await place.json<{ items: Event[]; next: string }>(
      ...["events", "list", "--type", "job:*", "--limit", "2", "--since", "1h"],
    );
    expect(items.map(({ type }) => type)).toEqual(["job:failed", "job:failed"]);
    const rest = await place.json<{ items: Event[]; next?: string }>(
      ...["events", "list", "--type", "job:*", "--limit", "2", "--cursor", next],
    );
    expect(rest.items.map(({ job }) => job)).toHaveLength(1);
    expect(rest.next).toBeUndefined();
    const { stdout } = await place.run(["events", "list", "--schedule", "hourly"]);
    expect(stdout).toMatch(/^ID +AT +TYPE.*\n\s*\d+ .*schedule:created/);
    expect((await place.json<{ items: Event[] }>("events", "list", "--since", "2999-01-01T00:00:00Z")).items).toEqual(
      [],
    );
  });

  it("N5 events tail prints the last events, oldest first, a line each", async () => {
    const { stdout, code } = await place.run(["events", "tail", "--count", "2", "--json"]);
    expect(code).toBe(0);
    const events = lines(stdout);
    expect(events).toHaveLength(2);
    expect(events[0]?.id).toBeLessThan(events[1]?.id ?? 0);
    const human = await place.run(["events", "tail", "--type", "job:failed"]);
    expect(human.stdout.trim().split("\n")).toHaveLength(3);
    expect(human.stdout).toContain("reason=no such account");
    expect(human.stdout).toMatch(/^ *\d+ +\d{4}-\S+Z +job:failed/);
    const after = await place.run(["events", "tail", "--after", String(events[0]?.id), "--json"]);
    expect(lines(after.stdout)).toEqual([events[1]]);
  });

  it("N5 events tail --follow goes on with what other processes write, until SIGINT ends it quietly", async () => {
    const tail = place.start(["events", "tail", "-f", "--count", "1", "--json"]);
    await tail.until(/"type":/);
    const id = await place.with(async (scheduler) => {
      const job = await scheduler.enqueue("later", 1, { delay: "1h" });
      await scheduler.jobs.cancel(job.id, { actor: "ann" });
      return job.id;
    });
    await tail.until(/job:cancelled/);
    tail.kill("SIGINT");
    const { code, stdout, stderr } = await tail.ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(lines(stdout).at(-1)).toMatchObject({ type: "job:cancelled", job: id, actor: "ann" });
  });

  it("N5 events tail --follow ends when its reader has left and something is written", async () => {
    const tail = place.start(["events", "tail", "-f", "--count", "1", "--json"]);
    await tail.until(/"type":/);
    tail.leave();
    await place.with(async (scheduler) => {
      await scheduler.queues.pause("none");
    });
    expect((await tail.ended).code).toBe(0);
  });

  it("S10 schedules history shows ticks, and who triggered one", async () => {
    await place.json("schedules", "trigger", "hourly");
    const { items } = await place.json<{ items: TickRecord[] }>("schedules", "history", "hourly");
    expect(items).toMatchObject([{ outcome: "fired", trigger: true, actor: "cli" }]);
    const { stdout } = await place.run(["schedules", "history", "hourly"]);
    expect(stdout).toMatch(/TICK +OUTCOME +AT.*\n.* triggered /);
    expect((await place.run(["schedules", "history", "hourly", "--until", "2000-01-01T00:00:00Z"])).stdout).toBe(
      "no ticks\n",
    );
    expect(await place.run(["schedules", "history", "none"])).toMatchObject({
      code: 0,
      stdout: "no ticks of a schedule none are in the log, and there is no such schedule\n",
    });
  });

  it("J10 jobs purge only says how many until --yes, then deletes them and records who did", async () => {
    const before = "2999-01-01T00:00:00Z";
    const dry = await place.json<{ jobs: number; dryRun: boolean }>("jobs", "purge", "--before", before);
    expect(dry).toMatchObject({ jobs: 4, dryRun: true });
    const said = await place.run(["jobs", "purge", "--before", before, "--state", "failed"]);
    expect(said.stdout).toMatch(/^would delete 3 failed jobs of every tenant that ended before .*add --yes to delete/);
    expect(await place.json("jobs", "purge", "--before", "1d", "--yes")).toMatchObject({ jobs: 0 });
    const done = await place.run(["jobs", "purge", "--before", before, "--state", "failed", "--yes"]);
    expect(done.stdout).toMatch(/^deleted 3 failed jobs/);
    expect(await place.json("jobs", "list", "--state", "failed")).toEqual({ items: [] });
    const { items } = await place.json<{ items: Event[] }>("events", "list", "--type", "jobs:purged");
    expect(items).toMatchObject([{ actor: "cli", data: { deleted: 3, states: ["failed"] } }]);
  });

  it("D7 jobs list sorts by end, and filters by when", async () => {
    const ended = await place.json<{ items: { state: string }[] }>("jobs", "list", "--sort", "finished");
    expect(ended.items.map(({ state }) => state)).toEqual(["cancelled"]);
    expect(await place.json("jobs", "list", "--finished-since", "2999-01-01T00:00:00Z")).toEqual({ items: [] });
  });

  it.each([
    [["events", "list", "--since", "soon"], "--since"],
    [["events", "list", "--type", "job:nothing"], "--type"],
    [["events", "tail", "--count", "-1"], "--count"],
    [["events", "tail", "--after", "x"], "--after"],
    [["events", "tail", "--after", "1", "--count", "2"], "--count"],
    [["jobs", "purge", "--before", "soon"], "--before"],
    [["jobs", "purge", "--before", "1d", "--state", "waiting"], "--state"],
    [["jobs", "list", "--sort", "best"], "--sort"],
    [["schedules", "history", "hourly", "--until", "never"], "--until"],
  ])("J13 refuses %j with exit code 64 and names %s", async (args, field) => {
    const ended = await place.run([...args, "--json"]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(ended)).toMatchObject({ code: "INVALID_INPUT", field });
  });
});
