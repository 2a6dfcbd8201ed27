// `punctual enqueue`, `jobs`, `stats` and `queues` on one SQLite file.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handle, PermanentError, task } from "../../src/index.ts";
import { failureIn, source, Workplace } from "./punctual.ts";

interface Job {
  readonly id: string;
  readonly state: string;
  readonly task: string;
  readonly queue: string;
  readonly [name: string]: unknown;
}

const absent = "00000000-0000-8000-8000-000000000000";

describe("punctual enqueue", () => {
  const place = new Workplace();
  afterAll(() => place[Symbol.asyncDispose]());

  it("stores a job with everything that was asked", async () => {
    const enqueued = await place.json<{ id: string; outcome: string; dueAt: string }>(
      ...["enqueue", "mail", '{"to":"ann"}', "--at", "2040-01-01T00:00:00+01:00", "--queue", "letters"],
      ...["--priority", "high", "--key", "ann", "--attempts", "7", "--tenant", "acme", "--metadata", '{"by":"hand"}'],
    );
    expect(enqueued).toMatchObject({ outcome: "created", dueAt: "2039-12-31T23:00:00.000Z" });
    expect(await place.json("jobs", "show", enqueued.id)).toMatchObject({
      id: enqueued.id,
      task: "mail",
      input: { to: "ann" },
      queue: "letters",
      priority: 2,
      key: "ann",
      tenant: "acme",
      metadata: { by: "hand" },
      state: "delayed",
    });
  });

  it("says what became of the job and when it is due", async () => {
    const { code, stdout, stderr } = await place.run(["enqueue", "mail", "--delay", "5m"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^created [0-9a-f-]{36}, due \S+Z \(in 5m\)\n$/);
  });

  it("T2 replaces, keeps or refuses by key as --on-conflict says", async () => {
    const put = (input: string, policy: string) =>
      place.run(["enqueue", "remind", input, "--delay", "1h", "--key", "k", "--on-conflict", policy, "--json"]);
    const outcome = ({ stdout }: { readonly stdout: string }) => (JSON.parse(stdout) as { outcome: string }).outcome;
    expect(outcome(await put("1", "ignore"))).toBe("created");
    expect(outcome(await put("2", "ignore"))).toBe("existing");
    expect(outcome(await put("3", "replace"))).toBe("replaced");
    const refused = await put("4", "error");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(failureIn(refused)).toMatchObject({ code: "KEY_IN_USE", field: "--key" });
    const { items } = await place.json<{ items: Job[] }>("jobs", "list", "--key-prefix", "k", "--task", "remind");
    expect(items).toMatchObject([{ input: 3 }]);
  });

  it("J15 finds the first job by --idempotency-key", async () => {
    const args = ["enqueue", "pay", '{"cents":100}', "--idempotency-key", "order-1"];
    const first = await place.json<{ id: string }>(...args);
    expect(await place.json(...args)).toMatchObject({ id: first.id, outcome: "existing" });
    const other = await place.run(["enqueue", "pay", '{"cents":999}', "--idempotency-key", "order-1", "--json"]);
    expect(other.code).toBe(1);
    expect(failureIn(other).code).toBe("IDEMPOTENCY_MISMATCH");
  });

  it("reads its input from standard input with -", async () => {
    const { code, stdout } = await place.run(["enqueue", "bulk", "-", "--json"], { input: '{"rows":[1,2,3]}\n' });
    expect(code).toBe(0);
    const { id } = JSON.parse(stdout) as { id: string };
    expect(await place.json("jobs", "show", id)).toMatchObject({ input: { rows: [1, 2, 3] } });
  });

  it.each([
    [["--delay", "5m", "--at", "2040-01-01T00:00:00Z"], "--delay"],
    [["--delay", "-5m"], "--delay"],
    [["--delay", "NaN"], "--delay"],
    [["--delay", "101y"], "--delay"],
    [["--at", "2040-02-30T00:00:00Z"], "--at"],
    [["--at", "tomorrow"], "--at"],
    [["--at", "2040-01-01T00:00:00"], "--at"],
    [["--priority", "urgent"], "--priority"],
    [["--priority", "11"], "--priority"],
    [["--attempts", "three"], "--attempts"],
    [["--attempts", "0"], "--attempts"],
    [["--on-conflict", "replace"], "--on-conflict"],
    [["--key", "k", "--on-conflict", "maybe"], "--on-conflict"],
    [["--queue", "no spaces"], "--queue"],
    [["--tenant", "ümlaut"], "--tenant"],
    [["--metadata", "{by:hand}"], "--metadata"],
    [["--idempotency-key", ""], "--idempotency-key"],
  ])("T1 refuses %j with exit code 64, names %s and stores nothing", async (args, field) => {
    const stats = () => place.with((scheduler) => scheduler.stats());
    const before = await stats();
    const ended = await place.run(["enqueue", "mail", "{}", ...args, "--json"]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    const failure = failureIn(ended);
    expect(failure).toMatchObject({ code: "INVALID_INPUT", field });
    expect(failure.message.startsWith(field)).toBe(true);
    expect(await stats()).toEqual(before);
  });

  it("J13 refuses input that is not JSON, or too large, and a task that is no name", async () => {
    const bad = await place.run(["enqueue", "mail", "{to:ann}", "--json"]);
    expect(bad.code).toBe(64);
    expect(failureIn(bad).field).toBe("INPUT_JSON");
    const large = await place.run(["enqueue", "mail", "-", "--json"], { input: JSON.stringify("x".repeat(600_000)) });
    expect(large.code).toBe(65);
    expect(failureIn(large)).toMatchObject({ code: "PAYLOAD_TOO_LARGE", field: "INPUT_JSON" });
    const name = await place.run(["enqueue", "two words", "--json"]);
    expect(name.code).toBe(64);
    expect(failureIn(name).field).toBe("TASK");
  });

  it("J13 takes the queue and the schema of a task that --tasks knows", async () => {
    place.write(
      "tasks.ts",
      `import { handle, task } from ${JSON.stringify(source("index.ts"))};
       const schema = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) =>
         typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] } } } as const;
       export const count = handle(task("count", { queue: "numbers", schema }), () => {});`,
    );
    const { id } = await place.json<{ id: string }>("enqueue", "count", "7", "--tasks", "tasks.ts");
    expect(await place.json("jobs", "show", id)).toMatchObject({ queue: "numbers" });
    const refused = await place.run(["enqueue", "count", '"seven"', "--tasks", "tasks.ts", "--json"]);
    expect(refused.code).toBe(65);
    expect(failureIn(refused)).toMatchObject({ code: "INPUT_REFUSED", field: "INPUT_JSON" });
  });

  it("tells that a memory store is gone when the command ends", async () => {
    const { code, stderr } = await place.run(["enqueue", "mail", "--engine", "memory:"]);
    expect(code).toBe(0);
    expect(stderr).toContain("forgets everything");
  });
});

describe("punctual jobs, stats and queues", () => {
  const place = new Workplace();
  afterAll(() => place[Symbol.asyncDispose]());
  let failed = "";
  let waiting = "";
  let delayed = "";
  let completed = "";

  beforeAll(async () => {
    const handlers = [
      handle(task("add"), (_, ctx) => {
        ctx.log("adding\nup");
        return 3;
      }),
      handle(task("break"), () => {
        throw new PermanentError("it broke");
      }),
    ];
    await place.with(async (scheduler) => {
      const ended = new Promise<void>((resolve) => {
        let left = 2;
        const onEnd = () => {
          if (--left === 0) resolve();
        };
        scheduler.on("job:completed", onEnd);
        scheduler.on("job:failed", onEnd);
      });
      completed = (await scheduler.enqueue("add", [1, 2])).id;
      failed = (await scheduler.enqueue("break", null)).id;
      await scheduler.start({ roles: ["worker"] });
      await ended;
    }, handlers);
    await place.with(async (scheduler) => {
      waiting = (await scheduler.enqueue("later", { n: 1 }, { queue: "other", key: "k-1" })).id;
      delayed = (await scheduler.enqueue("later", null, { delay: "1h", tenant: "acme" })).id;
    });
  });

  it("list shows jobs newest first, aligned", async () => {
    const { code, stdout, stderr } = await place.run(["jobs", "list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ID +STATE +TASK +DUE +QUEUE +ATTEMPT +TENANT +KEY +REASON$/);
    expect(lines.slice(1).map((line) => line.slice(0, 36))).toEqual([delayed, waiting, failed, completed]);
    const at = lines[0]?.indexOf("STATE") ?? 0;
    expect(lines.slice(1).map((line) => line.slice(at).split(" ")[0])).toEqual([
      "delayed",
      "waiting",
      "failed",
      "completed",
    ]);
    expect(lines[1]).toMatch(/\(in (1h|59m\d+s)\)/);
  });

  it.each([
    [["--state", "failed,completed"], () => [failed, completed]],
    [["--state", "delayed"], () => [delayed]],
    [["--queue", "other"], () => [waiting]],
    [["--task", "later"], () => [delayed, waiting]],
    [["--tenant", "acme"], () => [delayed]],
    [["--key-prefix", "k-"], () => [waiting]],
    [["--schedule", "none"], () => []],
  ])("list filters by %j", async (args, expected) => {
    const { items } = await place.json<{ items: Job[] }>("jobs", "list", ...args);
    expect(items.map(({ id }) => id)).toEqual(expected());
  });

  it("list pages by --limit and --cursor", async () => {
    const first = await place.json<{ items: Job[]; next: string }>("jobs", "list", "--limit", "3");
    expect(first.items).toHaveLength(3);
    const rest = await place.json<{ items: Job[] }>("jobs", "list", "--limit", "3", "--cursor", first.next);
    expect(rest.items.map(({ id }) => id)).toEqual([completed]);
    const { stdout } = await place.run(["jobs", "list", "--limit", "3"]);
    expect(stdout).toContain(`more: --cursor '${first.next}'`);
    const wrong = await place.run(["jobs", "list", "--cursor", "x", "--json"]);
    expect(wrong.code).toBe(64);
    expect(failureIn(wrong).field).toBe("--cursor");
  });

  it("show prints a job with its attempts and log", async () => {
    const { code, stdout } = await place.run(["jobs", "show", completed]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^state +completed$/m);
    expect(stdout).toMatch(/^output +3$/m);
    expect(stdout).toMatch(/^ATTEMPT +OUTCOME +STARTED +ENDED +WORKER$/m);
    expect(stdout).toMatch(/^\S+Z {2}adding up$/m);
  });

  it("show, cancel and retry of an unknown job exit with 1", async () => {
    for (const command of ["show", "cancel", "retry"]) {
      const ended = await place.run(["jobs", command, absent, "--json"]);
      expect(ended).toMatchObject({ code: 1, stdout: "" });
      expect(failureIn(ended).code).toBe("NOT_FOUND");
    }
  });

  it("N1 a job of another tenant does not exist", async () => {
    expect((await place.run(["jobs", "show", delayed, "--tenant", "other"])).code).toBe(1);
    expect((await place.run(["jobs", "show", delayed, "--tenant", "acme"])).code).toBe(0);
  });

  it("J14 stats count by state", async () => {
    expect(await place.json("stats")).toEqual({
      ...{ waiting: 1, delayed: 1, active: 0, completed: 1, failed: 1, cancelled: 0 },
      totals: { completed: 1, failed: 1, cancelled: 0 },
      paused: false,
      pausedQueues: [],
    });
    expect(await place.json("stats", "--tenant", "acme")).toMatchObject({ waiting: 0, delayed: 1 });
    expect(await place.json("stats", "--queue", "other")).toMatchObject({ waiting: 1, delayed: 0 });
    expect((await place.run(["stats"])).stdout).toMatch(/^failed +1 kept, 1 since the beginning$/m);
  });

  it("J11 queues are listed, paused and resumed", async () => {
    expect((await place.run(["queues", "pause", "other"])).stdout).toBe("paused other\n");
    expect(await place.json("queues", "list")).toMatchObject([
      { name: "default", paused: false, failed: 1 },
      { name: "other", paused: true, waiting: 1 },
    ]);
    expect((await place.run(["queues", "list"])).stdout).toMatch(/^other +paused +1 /m);
    expect(await place.json("queues", "resume", "other")).toEqual({ queue: "other", outcome: "resumed" });
    await place.json("queues", "pause", "--all");
    expect(await place.json("stats")).toMatchObject({ paused: true, pausedQueues: [] });
    expect((await place.run(["queues", "list"])).stdout).toContain("everything is paused");
    await place.json("queues", "resume", "--all");
    expect(await place.json("stats")).toMatchObject({ paused: false });
  });

  it("cancel ends a job that waits, once", async () => {
    expect(await place.json("jobs", "cancel", waiting)).toEqual({ id: waiting, outcome: "cancelled" });
    const again = await place.run(["jobs", "cancel", waiting, "--json"]);
    expect(again.code).toBe(1);
    expect(failureIn(again).code).toBe("STATE_CONFLICT");
  });

  it("retry makes a failed job wait again, and no completed one", async () => {
    expect((await place.run(["jobs", "retry", failed])).stdout).toMatch(/^waiting [0-9a-f-]{36}, due \S+Z \(now\)\n$/);
    expect(await place.json("jobs", "show", failed)).toMatchObject({ state: "waiting", failures: 0 });
    const refused = await place.run(["jobs", "retry", completed, "--json"]);
    expect(refused.code).toBe(1);
    expect(failureIn(refused).code).toBe("STATE_CONFLICT");
  });
});
