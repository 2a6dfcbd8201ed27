// Bad input of jobs, timers and queues: a typed error that names the field, nothing stored.
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import {
  createScheduler,
  type EnqueueOptions,
  every,
  handle,
  isPunctualError,
  type SchedulerOptions,
  standardGuardrails,
  type TaskOptions,
  task,
} from "../../src/index.ts";
import { rejection, rig } from "./rig.ts";

const mail = task<unknown>("mail");

/** What a caller without types may hand in. */
function untyped<Wanted>(value: unknown): Wanted {
  return value as Wanted;
}

/** What was thrown, at once or by rejection. */
async function errorOf(call: () => unknown): Promise<unknown> {
  return await rejection((async () => await call())());
}

async function expectRefused(call: () => unknown, field: string, code = "INVALID_INPUT"): Promise<void> {
  const error = await errorOf(call);
  expect(isPunctualError(error), String(error)).toBe(true);
  expect(error).toMatchObject({ code, field });
}

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

const badOptions: readonly (readonly [name: string, options: unknown, field: string])[] = [
  ["an unknown option", { dealy: "1m" }, "dealy"],
  ["delay and at together", { delay: "1m", at: new Date() }, "delay"],
  ["a negative delay", { delay: -1 }, "delay"],
  ["a negative delay as text", { delay: "-1m" }, "delay"],
  ["a delay that is NaN", { delay: Number.NaN }, "delay"],
  ["a delay that is infinite", { delay: Number.POSITIVE_INFINITY }, "delay"],
  ["a delay without a unit", { delay: "10" }, "delay"],
  ["a delay of the wrong type", { delay: {} }, "delay"],
  ["a delay that is null", { delay: null }, "delay"],
  ["a delay beyond a hundred years", { delay: "36526d" }, "delay"],
  ["an invalid Date", { at: new Date("never") }, "at"],
  ["an instant without a zone", { at: "2026-03-01T09:00:00" }, "at"],
  ["an impossible date", { at: "2026-02-30T09:00:00Z" }, "at"],
  ["an impossible time", { at: "2026-02-28T25:00:00Z" }, "at"],
  ["an instant that is a number", { at: 1_800_000_000_000 }, "at"],
  ["an instant beyond a hundred years", { at: "2199-01-01T00:00:00Z" }, "at"],
  ["a priority of 0", { priority: 0 }, "priority"],
  ["a priority of 11", { priority: 11 }, "priority"],
  ["a priority that is no whole number", { priority: 1.5 }, "priority"],
  ["a priority nobody knows", { priority: "urgent" }, "priority"],
  ["a tenant outside the alphabet", { tenant: "a b" }, "tenant"],
  ["an empty tenant", { tenant: "" }, "tenant"],
  ["a queue outside the alphabet", { queue: "mail\n" }, "queue"],
  ["a queue named by a star", { queue: "*" }, "queue"],
  ["a key that is too long", { key: "k".repeat(129) }, "key"],
  ["a key of the wrong type", { key: 7 }, "key"],
  ["a conflict policy nobody knows", { key: "k", onConflict: "overwrite" }, "onConflict"],
  ["a conflict policy without a key", { onConflict: "replace" }, "onConflict"],
  ["no attempts", { attempts: 0 }, "attempts"],
  ["attempts that are no whole number", { attempts: 2.5 }, "attempts"],
  ["attempts as text", { attempts: "3" }, "attempts"],
  ["metadata that is not JSON", { metadata: { at: new Date() } }, "metadata.at"],
  ["an idempotencyKey outside the alphabet", { idempotencyKey: "a b" }, "idempotencyKey"],
];

const badInputs: readonly (readonly [name: string, input: unknown, field: string])[] = [
  ["a Map", new Map([[1, 2]]), "input"],
  ["a Set inside", { all: [new Set()] }, "input.all[0]"],
  ["a bigint", { n: 1n }, "input.n"],
  ["NaN", { deep: { n: Number.NaN } }, "input.deep.n"],
  ["infinity", [1, Number.POSITIVE_INFINITY], "input[1]"],
  ["a Date", { at: new Date() }, "input.at"],
  ["a function", () => 0, "input"],
  ["a symbol", Symbol("s"), "input"],
  ["a cycle", cycle, "input.self"],
  ["an array with a hole", [1, undefined, 3], "input[1]"],
  ["an instance of a class", new (class Account {})(), "input"],
  ["bytes", new Uint8Array(3), "input"],
  ["an Error", new Error("x"), "input"],
];

describe("enqueue", () => {
  test.each(badOptions)("J13 T1 %s is refused, naming the field; nothing is stored", async (_, options, field) => {
    const { scheduler, faulty } = rig();
    await expectRefused(() => scheduler.enqueue(mail, 1, untyped<EnqueueOptions>(options)), field);
    const item = { task: mail, input: 1, ...untyped<EnqueueOptions>(options) };
    await expectRefused(() => scheduler.enqueueMany([{ task: mail, input: 0 }, item]), `items[1].${field}`);
    expect(faulty.calls("jobs.insert")).toEqual([]);
  });

  test.each(badInputs)("J13 an input that is or holds %s is refused, naming the place", async (_, input, field) => {
    const { scheduler, faulty } = rig();
    await expectRefused(() => scheduler.enqueue(mail, input), field);
    expect(faulty.calls("jobs.insert")).toEqual([]);
  });

  test.each([null, 7, "text", []])("J13 options that are %s are refused, naming them", async (options) => {
    const { scheduler } = rig();
    const error = await errorOf(() => scheduler.enqueue(mail, 1, untyped<EnqueueOptions>(options)));
    expect(error).toMatchObject({ code: "INVALID_INPUT", field: expect.stringMatching(/./) });
  });

  test("J13 an input over 512 KiB is refused, one of exactly that size is not", async () => {
    const { scheduler } = rig();
    const most = 512 * 1024 - 2;
    await scheduler.enqueue(mail, "x".repeat(most));
    await expectRefused(() => scheduler.enqueue(mail, "x".repeat(most + 1)), "input", "PAYLOAD_TOO_LARGE");
    // Bytes count, not characters.
    await expectRefused(() => scheduler.enqueue(mail, "é".repeat(most / 2 + 1)), "input", "PAYLOAD_TOO_LARGE");
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
  });

  test("J13 metadata over 16 KiB is refused", async () => {
    const { scheduler } = rig();
    const metadata = "x".repeat(16 * 1024);
    await expectRefused(() => scheduler.enqueue(mail, 1, { metadata }), "metadata", "PAYLOAD_TOO_LARGE");
  });

  test("J13 payloadBytesMax is an option", async () => {
    const { scheduler } = rig({ payloadBytesMax: 10 });
    await expectRefused(() => scheduler.enqueue(mail, "123456789"), "input", "PAYLOAD_TOO_LARGE");
    await scheduler.enqueue(mail, "12345678");
  });

  test.each([
    ["undefined", undefined],
    ["a number", 7],
    ["null", null],
    ["an object that is no task", {}],
    ["an object with a name alone", { name: "mail" }],
    ["a name outside the alphabet", "send mail"],
    ["an empty name", ""],
  ])("J13 a task that is %s is refused", async (_, bad) => {
    const { scheduler } = rig();
    await expectRefused(() => scheduler.enqueue(untyped<string>(bad), 1), "task");
  });

  test("T5 enqueueMany refuses what is no list, and items of several tenants", async () => {
    const { scheduler, faulty } = rig();
    await expectRefused(() => scheduler.enqueueMany(untyped<[]>({})), "items");
    await expectRefused(() => scheduler.enqueueMany(untyped<[]>([null])), "items[0]");
    const items = ["a", "b"].map((tenant) => ({ task: mail, input: 1, tenant }));
    await expectRefused(() => scheduler.enqueueMany(items), "items");
    const one = [{ task: mail, input: 1, delay: 5 }];
    await expectRefused(() => scheduler.enqueueMany(one, { delay: "1m", at: new Date() }), "shared.delay");
    await expectRefused(() => scheduler.enqueueMany([], { delay: -1 }), "shared.delay");
    expect(faulty.calls("jobs.insert")).toEqual([]);
  });
});

describe("jobs, timers and queues", () => {
  const id = "01234567-89ab-8cde-8f01-23456789abcd";
  const unknown = untyped<object>({ tenat: "acme" });

  test.each(["get", "cancel", "retry"] as const)(
    "J13 jobs.%s refuses what is no id and options nobody knows",
    async (name) => {
      const { scheduler } = rig();
      await expectRefused(() => scheduler.jobs[name]("nope"), "id");
      await expectRefused(() => scheduler.jobs[name](untyped<string>(undefined)), "id");
      await expectRefused(() => scheduler.jobs[name](id, unknown), "tenat");
    },
  );

  test("J13 jobs.reschedule and jobs.update refuse bad instants, inputs and options", async () => {
    const { scheduler } = rig({ handlers: [handle(mail, () => 0)] });
    const job = await scheduler.enqueue(mail, 1, { delay: "1h" });
    await expectRefused(() => scheduler.jobs.reschedule(job.id, "tomorrow"), "at");
    await expectRefused(() => scheduler.jobs.reschedule(job.id, new Date(Number.NaN)), "at");
    await expectRefused(() => scheduler.jobs.reschedule(job.id, new Date(), unknown), "tenat");
    await expectRefused(() => scheduler.jobs.update(job.id, new Map()), "input");
    await expectRefused(() => scheduler.jobs.update(job.id, 1, unknown), "tenat");
    expect(await scheduler.jobs.get(job.id)).toMatchObject({ input: 1, dueAt: job.dueAt });
  });

  test.each([
    ["an unknown filter", { satte: "waiting" }, "satte"],
    ["an unknown state", { state: "running" }, "state"],
    ["an unknown state among others", { state: ["waiting", "running"] }, "state"],
    ["a limit of 0", { limit: 0 }, "limit"],
    ["a limit over 1,000", { limit: 1_001 }, "limit"],
    ["a cursor of another listing", { cursor: "%%%" }, "cursor"],
    ["a bad instant", { dueBefore: "soon" }, "dueBefore"],
    ["a queue of the wrong type", { queue: 7 }, "queue"],
  ])("T7 jobs.list refuses %s", async (_, query, field) => {
    const { scheduler } = rig();
    await expectRefused(() => scheduler.jobs.list(untyped<object>(query)), field);
  });

  test.each(["yes", 0, 1, "false", {}])(
    "D7 a yes or no that is %j is refused, and nothing is deleted",
    async (value) => {
      const { scheduler, clock } = rig();
      const { id } = await scheduler.enqueue(mail, 1);
      await scheduler.jobs.cancel(id);
      await clock.advance(1_000);
      const flag = untyped<boolean>(value);
      await expectRefused(() => scheduler.jobs.purge({ before: new Date(clock.now()), dryRun: flag }), "dryRun");
      await expectRefused(() => scheduler.schedules.remove("a", { cancelPending: flag }), "cancelPending");
      await expectRefused(() => scheduler.schedules.disable("a", { cancelPending: flag }), "cancelPending");
      await expectRefused(() => scheduler.schedules.list({ enabled: flag }), "enabled");
      expect(await scheduler.jobs.get(id)).toMatchObject({ state: "cancelled" });
    },
  );

  test("T2 timers refuse names and times that are none", async () => {
    const { scheduler } = rig();
    await expectRefused(() => scheduler.timers.put(mail, 1, untyped<{ key: string }>({})), "key");
    await expectRefused(() => scheduler.timers.put(mail, 1, untyped<{ key: string }>(undefined)), "key");
    await expectRefused(() => scheduler.timers.put(mail, 1, { key: "a b" }), "key");
    await expectRefused(() => scheduler.timers.put(mail, 1, { key: "a", delay: -5 }), "delay");
    await expectRefused(() => scheduler.timers.move({ key: "a" }, "noon"), "at");
    await expectRefused(() => scheduler.timers.move(untyped<{ key: string }>({ id: "a" }), new Date()), "id");
    await expectRefused(() => scheduler.timers.cancel(untyped<{ key: string }>({})), "key");
    await expectRefused(() => scheduler.timers.list(untyped<object>({ state: "waiting" })), "state");
  });

  test.each([
    ["no limits", null, "limits"],
    ["an unknown limit", { speed: 1 }, "limits.speed"],
    ["a concurrency of 0", { concurrency: 0 }, "limits.concurrency"],
    ["a concurrency as text", { concurrency: "2" }, "limits.concurrency"],
    ["a rate without a count", { rate: { per: "1s" } }, "limits.rate.count"],
    ["a rate without a period", { rate: { count: 1 } }, "limits.rate.per"],
    ["a rate per nothing", { rate: { count: 1, per: 0 } }, "limits.rate.per"],
    ["a rate with more", { rate: { count: 1, per: "1s", burst: 2 } }, "limits.rate.burst"],
  ])("J12 queues.limit refuses %s", async (_, limits, field) => {
    const { scheduler, faulty } = rig();
    await expectRefused(() => scheduler.queues.limit("mail", untyped<object>(limits)), field);
    expect(faulty.calls("queues.put")).toEqual([]);
  });

  test("J11 queues refuse names and options that are none", async () => {
    const { scheduler } = rig();
    await expectRefused(() => scheduler.queues.pause("*"), "queue");
    await expectRefused(() => scheduler.queues.resume(untyped<string>(undefined)), "queue");
    await expectRefused(() => scheduler.queues.pause("mail", untyped<object>({ actr: "me" })), "actr");
    await expectRefused(() => scheduler.pause(untyped<object>({ actr: "me" })), "actr");
    await expectRefused(() => scheduler.stats(untyped<object>({ task: "x" })), "task");
  });
});

describe("definitions", () => {
  test.each([
    ["an unknown option", { retries: 3 }, "retries"],
    ["a queue outside the alphabet", { queue: " " }, "queue"],
    ["a schema that is none", { schema: {} }, "schema"],
    ["no attempts", { retry: { attempts: 0 } }, "retry.attempts"],
    ["an unknown curve", { retry: { backoff: { type: "cubic" } } }, "retry.backoff.type"],
    ["jitter over 1", { retry: { backoff: { type: "fixed", jitter: 1.1 } } }, "retry.backoff.jitter"],
    ["a negative first wait", { retry: { backoff: { type: "fixed", delay: -1 } } }, "retry.backoff.delay"],
    ["an unknown part of a curve", { retry: { backoff: { type: "fixed", cap: 1 } } }, "retry.backoff.cap"],
    ["a timeout of nothing", { timeout: 0 }, "timeout"],
    ["a retention nobody knows", { retention: { cancelled: 0 } }, "retention.cancelled"],
    ["a retention of the wrong type", { retention: { completed: "long" } }, "retention.completed"],
  ])("J13 a task with %s is refused", async (_, options, field) => {
    await expectRefused(() => task("mail", untyped<TaskOptions<undefined>>(options)), field);
  });

  test.each([
    ["no engine", { engine: undefined }, "engine"],
    ["an engine that is a URL", { engine: "sqlite:x" }, "engine"],
    ["an unknown option", { engins: 1 }, "engins"],
    ["handlers that are no list", { handlers: {} }, "handlers"],
    ["a handler that is none", { handlers: [mail] }, "handlers[0]"],
    ["a handler without code", { handlers: [{ task: mail, policy: mail.policy }] }, "handlers[0]"],
    ["no slots", { worker: { concurrency: 0 } }, "worker.concurrency"],
    ["an unknown worker option", { worker: { threads: 2 } }, "worker.threads"],
    ["queues that are one text", { worker: { queues: "mail" } }, "worker.queues"],
    ["a lease that is too short", { worker: { lease: 50 } }, "worker.lease"],
    ["a name outside the alphabet", { worker: { name: "my worker" } }, "worker.name"],
    ["a guardrail nobody knows", { guardrails: { maxJobs: 1 } }, "guardrails.maxJobs"],
    ["a payload limit that is text", { payloadBytesMax: "1k" }, "payloadBytesMax"],
    ["a redaction that is no function", { redact: true }, "redact"],
  ])("D1 createScheduler refuses %s", async (_, options, field) => {
    const whole = untyped<SchedulerOptions<never>>({ engine: memory(), ...options });
    await expectRefused(() => createScheduler(whole), field);
  });

  test("N2 the preset of guardrails can be given as it is: 20 schedules, 5 minutes apart", async () => {
    const { scheduler } = rig({ guardrails: standardGuardrails });
    const create = (id: string, interval: string) =>
      scheduler.schedules.create(id, { task: mail, input: 1, when: every(interval) });
    await expectRefused(() => create("s", "4m59s"), "minIntervalMs", "LIMIT_EXCEEDED");
    for (let n = 1; n <= 20; n++) await create(`s-${n}`, "5m");
    await expectRefused(() => create("s-21", "5m"), "maxActiveSchedules", "LIMIT_EXCEEDED");
  });

  test("J13 start, stop, tenant and handle refuse what they do not know", async () => {
    const { scheduler } = rig();
    await expectRefused(() => scheduler.start(untyped<object>({ role: "worker" })), "role");
    await expectRefused(() => scheduler.start({ roles: [untyped<"worker">("manager")] }), "roles");
    await expectRefused(() => scheduler.start({ roles: [] }), "roles");
    await expectRefused(() => scheduler.stop({ timeout: "soon" }), "timeout");
    await expectRefused(() => scheduler.tenant("a b"), "tenant");
    await expectRefused(() => scheduler.handle(untyped<ReturnType<typeof handle>>(undefined)), "handlers[0]");
    await expectRefused(() => handle.default(() => 0, untyped<object>({ retries: 3 })), "retries");
  });
});
