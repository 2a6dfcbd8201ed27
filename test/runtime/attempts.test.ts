// J6, J7: what a failed attempt makes of its job.
import { describe, expect, test } from "vitest";
import { type BackoffFunction, handle, PermanentError, RetryAt, type TaskOptions, task } from "../../src/index.ts";
import { type Rig, type RigOptions, rig, secondMs } from "./rig.ts";

/** A rig with a task that always fails as told, and one job of it. */
async function failing(
  options: TaskOptions<undefined>,
  fail: (attempt: number) => unknown = (attempt) => new Error(`boom ${attempt}`),
  more: RigOptions = {},
): Promise<Rig & { readonly id: string; readonly startedAt: number[] }> {
  const mail = task("mail", options);
  const startedAt: number[] = [];
  const handler = handle(mail, (_, { attempt }) => {
    startedAt.push(made.clock.monotonic());
    throw fail(attempt);
  });
  const made = rig({ handlers: [handler], ...more });
  await made.start("worker");
  const { id } = await made.scheduler.enqueue(mail, null);
  await made.clock.settle();
  return { ...made, id, startedAt };
}

describe("retry curves", () => {
  test("J6 by default a job has three attempts, 1 s and 2 s apart, then fails", async () => {
    const { scheduler, clock, id, startedAt } = await failing({});
    await clock.advance(60 * secondMs);
    expect(startedAt).toEqual([0, 1_000, 3_000]);
    expect(await scheduler.jobs.get(id)).toMatchObject({
      state: "failed",
      failures: 3,
      endCause: "attempts",
      reason: "boom 3",
    });
  });

  test.each([
    ["exponential", { type: "exponential", delay: "1s", max: "3s" }, [0, 1_000, 3_000, 6_000, 9_000]],
    ["linear", { type: "linear", delay: "1s" }, [0, 1_000, 3_000, 6_000, 10_000]],
    ["fixed", { type: "fixed", delay: "2s" }, [0, 2_000, 4_000, 6_000, 8_000]],
  ] as const)("J6 the %s curve waits as it says", async (_, backoff, expected) => {
    const { clock, startedAt } = await failing({ retry: { attempts: 5, backoff } });
    await clock.advance(60 * secondMs);
    expect(startedAt).toEqual(expected);
  });

  test("J6 a custom function is told the failures and the error, and `false` fails the job", async () => {
    const told: unknown[] = [];
    const { scheduler, clock, id, startedAt } = await failing({
      retry: {
        attempts: 10,
        backoff: ({ failures, error }) => {
          told.push([failures, (error as Error).message]);
          return failures < 3 ? failures * 100 : false;
        },
      },
    });
    await clock.advance(60 * secondMs);
    expect(startedAt).toEqual([0, 100, 300]);
    expect(told).toEqual([
      [1, "boom 1"],
      [2, "boom 2"],
      [3, "boom 3"],
    ]);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "permanent" });
  });

  const broken: readonly (readonly [how: string, backoff: BackoffFunction, text: string])[] = [
    [
      "throws",
      () => {
        throw new Error("no policy");
      },
      "no policy",
    ],
    ["answers no duration", () => "soon", "soon"],
    ["answers a negative duration", () => -1, "-1"],
    ["answers NaN", () => Number.NaN, "NaN"],
  ];

  test.each(broken)(
    "J6 a policy function that %s ends the job as failed with both errors kept",
    async (_, backoff, text) => {
      const { scheduler, clock, id } = await failing({ retry: { backoff } });
      await clock.advance(secondMs);
      const job = await scheduler.jobs.get(id);
      expect(job).toMatchObject({ state: "failed", endCause: "policy", attempts: [{ error: { message: "boom 1" } }] });
      expect(job?.attempts[0]?.error?.policyError).toContain(text);
    },
  );

  test("J6 a job's own attempts stand for the task's", async () => {
    const mail = task("mail", { retry: { attempts: 5, backoff: { type: "fixed", delay: 0 } } });
    let calls = 0;
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(mail, () => {
          calls++;
          throw new Error("boom");
        }),
      ],
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null, { attempts: 2 });
    await clock.advance(secondMs);
    expect(calls).toBe(2);
    expect((await scheduler.jobs.get(id))?.state).toBe("failed");
  });
});

describe("errors that decide", () => {
  test("J6 a PermanentError fails the job at once", async () => {
    const { scheduler, id, named } = await failing({}, () => new PermanentError("never again"));
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "permanent", attempt: 1 });
    expect(named("job:retrying")).toEqual([]);
  });

  test("J6 a PermanentError of another copy of the package is known by its code", async () => {
    const { scheduler, id } = await failing({}, () => Object.assign(new Error("x"), { code: "PERMANENT" }));
    expect((await scheduler.jobs.get(id))?.endCause).toBe("permanent");
  });

  test("J6 RetryAt runs the job again at its instant and counts no failure", async () => {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 10));
    const { scheduler, clock, id, startedAt, named } = await failing({ retry: { attempts: 1 } }, (attempt) =>
      attempt === 1 ? new RetryAt(at) : new Error("boom"),
    );
    const job = await scheduler.jobs.get(id);
    expect(job).toMatchObject({ state: "delayed", dueAt: at, failures: 0 });
    expect(job?.attempts.map(({ outcome }) => outcome)).toEqual(["deferred"]);
    expect(named("job:failed")).toEqual([]);
    await clock.advance(601 * secondMs);
    expect(startedAt).toEqual([0, 600_000]);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", failures: 1 });
  });

  test("J6 an attempt that was deferred does not count towards the attempts", async () => {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, 5));
    const { scheduler, clock, id, startedAt } = await failing({ retry: { attempts: 2 } }, (attempt) =>
      attempt === 1 ? new RetryAt(at) : new Error("boom"),
    );
    await clock.advance(60 * secondMs);
    expect(startedAt).toEqual([0, 5_000, 6_000]);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", failures: 2, attempt: 3 });
  });

  test.each([
    ["a text", "just text", "just text"],
    ["undefined", undefined, "undefined"],
    ["an object", { why: "none" }, '{"why":"none"}'],
    ["an object without a prototype", Object.create(null), "{}"],
  ] as const)("J7 a handler that throws %s fails its attempt", async (_, thrown, message) => {
    const { scheduler, id } = await failing({ retry: { attempts: 1 } }, () => thrown);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", attempts: [{ error: { message } }] });
  });

  test("J7 an error whose members throw fails its attempt like any other", async () => {
    const hostile = new Error("x");
    Object.defineProperty(hostile, "message", {
      get: () => {
        throw new Error("no message for you");
      },
    });
    const { scheduler, id } = await failing({ retry: { attempts: 1 } }, () => hostile);
    expect((await scheduler.jobs.get(id))?.state).toBe("failed");
  });

  test("J7 a thrown value whose code cannot be read fails its attempt like any other", async () => {
    const hostile = {
      get code() {
        throw new Error("no code for you");
      },
    };
    const { scheduler, id } = await failing({ retry: { attempts: 1 } }, () => hostile);
    expect((await scheduler.jobs.get(id))?.state).toBe("failed");
  });
});

describe("records", () => {
  test("J7 each attempt keeps start, end, worker, outcome and error", async () => {
    const { scheduler, clock, id } = await failing({}, undefined, { worker: { name: "w-1" } });
    await clock.advance(60 * secondMs);
    const job = await scheduler.jobs.get(id);
    expect(job?.attempts).toHaveLength(3);
    expect(job?.attempts[1]).toMatchObject({
      attempt: 2,
      worker: "w-1",
      outcome: "failed",
      startedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 1)),
      endedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 1)),
      error: { name: "Error", message: "boom 2" },
    });
    expect(job?.attempts[1]?.error?.stack).toContain("boom 2");
  });

  test("J7 a stack is cut at 8 KiB and a message at 4 KiB", async () => {
    const huge = Object.assign(new Error("m".repeat(10_000)), { stack: "s".repeat(100_000) });
    const { scheduler, id } = await failing({ retry: { attempts: 1 } }, () => huge);
    const error = (await scheduler.jobs.get(id))?.attempts[0]?.error;
    expect([error?.stack?.length, error?.message.length]).toEqual([8 * 1024, 4 * 1024]);
  });

  test("J7 the redaction hook sees the error before it is stored or told", async () => {
    const { scheduler, id, named } = await failing({ retry: { attempts: 1 } }, () => new Error("key sk-123"), {
      redact: ({ name }) => ({ name, message: "(redacted)" }),
    });
    expect(JSON.stringify([await scheduler.jobs.get(id), named("job:failed")])).not.toContain("sk-123");
  });

  test.each([
    ["nothing", () => undefined],
    ["a text", () => "redacted"],
    ["an error without a message", () => ({ name: "E" })],
  ])("J7 a redaction hook that answers %s keeps nothing, and the slot and the job are free", async (_, answer) => {
    const { scheduler, clock, id } = await failing({}, undefined, {
      redact: answer as unknown as NonNullable<RigOptions["redact"]>,
      worker: { concurrency: 1 },
    });
    await clock.advance(60 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({
      state: "failed",
      reason: "(the redaction hook answered no error; nothing was kept)",
    });
    await scheduler.stop();
  });

  test("J7 what a redaction hook adds that is no text is left out", async () => {
    const redact = (error: { name: string; message: string }) => ({ ...error, cause: 1n, code: 5 }) as never;
    const { scheduler, clock, id } = await failing({}, undefined, { redact });
    await clock.advance(60 * secondMs);
    const job = await scheduler.jobs.get(id);
    expect(Object.keys(job?.attempts[0]?.error ?? {}).sort()).toEqual(["message", "name", "stack"]);
  });

  test("J7 a thrown RetryAt whose instant cannot be read fails its attempt like any other", async () => {
    const thrown = {
      code: "RETRY_AT",
      get at() {
        throw new Error("no");
      },
    };
    const { scheduler, clock, id } = await failing({}, () => thrown);
    await clock.advance(60 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", failures: 3 });
  });

  test("J7 a redaction hook that throws keeps nothing of the error", async () => {
    const { scheduler, id } = await failing({ retry: { attempts: 1 } }, () => new Error("key sk-123"), {
      redact: () => {
        throw new Error("sk-123");
      },
    });
    const job = await scheduler.jobs.get(id);
    expect(job?.state).toBe("failed");
    expect(JSON.stringify(job)).not.toContain("sk-123");
  });

  test("J7 job:failed is emitted once, after the last attempt; job:retrying for the others", async () => {
    const { clock, named, id } = await failing({});
    await clock.advance(60 * secondMs);
    expect(named("job:retrying").map(({ attempt, retryAt }) => [attempt, retryAt])).toEqual([
      [1, new Date(Date.UTC(2026, 0, 1, 0, 0, 1))],
      [2, new Date(Date.UTC(2026, 0, 1, 0, 0, 3))],
    ]);
    expect(named("job:failed")).toMatchObject([{ id, attempt: 3, reason: "boom 3", error: { message: "boom 3" } }]);
  });

  test("J7 a completed job keeps what its handler returned", async () => {
    const sum = task<readonly number[]>("sum");
    const { scheduler, clock, start } = rig({ handlers: [handle(sum, (all) => all.reduce((a, b) => a + b, 0))] });
    await start("worker");
    const { id } = await scheduler.enqueue(sum, [1, 2, 3]);
    await clock.settle();
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", output: 6, attempt: 1 });
  });

  test("J1 an output that is not JSON does not make the work be done again", async () => {
    const sum = task("sum");
    const { scheduler, clock, start } = rig({ handlers: [handle(sum, () => new Map())] });
    await start("worker");
    const { id } = await scheduler.enqueue(sum, null);
    await clock.settle();
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", output: null, attempt: 1 });
  });
});
