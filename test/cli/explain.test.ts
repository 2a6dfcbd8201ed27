// `punctual explain`: jobs and schedules by id, and ids that are both.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { every } from "../../src/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

describe("punctual explain", () => {
  const place = new Workplace();
  afterAll(() => place[Symbol.asyncDispose]());
  let job: string;
  beforeAll(() =>
    place.with(async (scheduler) => {
      ({ id: job } = await scheduler.enqueue("greet", null, { delay: "10m" }));
      await scheduler.schedules.ensure("hourly", { task: "greet", when: every("1h") });
      await scheduler.schedules.ensure("theirs", { task: "greet", when: every("1h"), tenant: "acme" });
    }),
  );

  it("says in sentences what a job waits for", async () => {
    const { code, stdout } = await place.run(["explain", job]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Job \S+ is delayed: task greet.*\nIt is not due before \S+ \(in .*m.*\)\.\n$/);
  });

  it("gives programs the sentences and the facts", async () => {
    expect(await place.json("explain", `job:${job}`)).toMatchObject({
      sentences: [expect.stringContaining(job), expect.any(String)],
      facts: { kind: "job", paused: false, job: { id: job, state: "delayed" } },
    });
  });

  it("explains a schedule, also of a tenant", async () => {
    expect((await place.run(["explain", "hourly"])).stdout).toContain("Its next tick is at");
    expect((await place.run(["explain", "schedule:theirs", "--tenant", "acme"])).stdout).toContain("of tenant acme");
    const absent = await place.run(["explain", "theirs", "--json"]);
    expect(absent.code).toBe(1);
    expect(failureIn(absent)).toMatchObject({ code: "NOT_FOUND" });
  });

  it("asks which when an id is both", async () => {
    await place.with((scheduler) => scheduler.schedules.ensure(job, { task: "greet", when: every("1h") }));
    const refused = await place.run(["explain", job, "--json"]);
    expect(failureIn(refused)).toMatchObject({ field: "ID", mend: `Write job:${job} or schedule:${job}.` });
    expect((await place.run(["explain", `schedule:${job}`])).stdout).toContain(`Schedule ${job}`);
  });
});
