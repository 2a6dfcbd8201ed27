// Bad input of schedules and rules: a typed error that names the field, nothing stored.
import { describe, expect, test } from "vitest";
import {
  cron,
  every,
  everyCalendar,
  except,
  isPunctualError,
  nextTicks,
  once,
  type Rule,
  task,
  union,
} from "../../src/index.ts";
import { rejection, rig } from "./rig.ts";

const report = task("report");
const when = every("1m");
const id = "daily";

function untyped<Wanted>(value: unknown): Wanted {
  return value as Wanted;
}

async function expectRefused(call: () => unknown, field: unknown, code: unknown = "INVALID_INPUT"): Promise<void> {
  const error = await rejection((async () => await call())());
  expect(isPunctualError(error), String(error)).toBe(true);
  expect(error).toMatchObject({ code, field });
}

const badOptions: readonly (readonly [name: string, options: object, field: string])[] = [
  ["an unknown option", { cron: "* * * * *" }, "cron"],
  ["no task", { task: undefined }, "task"],
  ["a task with a name alone", { task: { name: "x" } }, "task"],
  ["no rule", { when: undefined }, "when"],
  ["a rule that is text", { when: "* * * * *" }, "when"],
  ["a negative jitter", { jitter: -1 }, "jitter"],
  ["an overlap nobody knows", { overlap: "cancel" }, "overlap"],
  ["a catch-up nobody knows", { catchUp: "some" }, "catchUp.policy"],
  ["a catch-up window that is none", { catchUp: { policy: "latest", window: "long" } }, "catchUp.window"],
  ["a catch-up limit of 0", { catchUp: { policy: "all", limit: 0 } }, "catchUp.limit"],
  ["an unknown part of catch-up", { catchUp: { policy: "all", max: 3 } }, "catchUp.max"],
  ["a bad start", { startAt: "2026-13-01T00:00:00Z" }, "startAt"],
  ["a bad end", { endAt: new Date(Number.NaN) }, "endAt"],
  ["an end before its start", { startAt: "2026-02-01T00:00:00Z", endAt: "2026-01-01T00:00:00Z" }, "endAt"],
  ["no ticks", { maxTicks: 0 }, "maxTicks"],
  ["a pause after nothing", { pauseOnFailure: -1 }, "pauseOnFailure"],
  ["an empty name", { name: "" }, "name"],
  ["an input that is not JSON", { input: { at: new Date() } }, "input.at"],
  ["metadata that is not JSON", { metadata: 1n }, "metadata"],
  ["a priority that is none", { priority: "asap" }, "priority"],
  ["attempts that are none", { attempts: 0 }, "attempts"],
  ["a tenant outside the alphabet", { tenant: "ä" }, "tenant"],
  ["a queue outside the alphabet", { queue: "" }, "queue"],
];

describe("schedules", () => {
  test.each(badOptions)(
    "S1 %s is refused by create, ensure, ensureMany and previewOf; nothing is stored",
    async (_, options, field) => {
      const { scheduler } = rig();
      const { schedules } = scheduler;
      const whole = untyped<{ task: typeof report; when: Rule }>({ task: report, when, ...options });
      await expectRefused(() => schedules.create(id, whole), field);
      await expectRefused(() => schedules.ensure(id, whole), field);
      await expectRefused(() => schedules.previewOf(id, whole), field);
      const items = [
        { id: "good", task: report, when },
        { id, ...whole },
      ];
      await expectRefused(() => schedules.ensureMany(items), `items[1].${field}`);
      expect((await schedules.list()).items).toEqual([]);
    },
  );

  test.each(badOptions.filter(([, , field]) => field !== "tenant"))(
    "S6 %s is refused by update, and the schedule stays",
    async (_, options, field) => {
      const { scheduler } = rig();
      const before = await scheduler.schedules.create(id, { task: report, when });
      await expectRefused(() => scheduler.schedules.update(id, options), field);
      expect(await scheduler.schedules.get(id)).toEqual(before);
    },
  );

  test.each(["", "a b", "x".repeat(129), undefined, 7])("S1 the id %s is refused everywhere", async (bad) => {
    const { schedules } = rig().scheduler;
    const name = untyped<string>(bad);
    const calls = [
      () => schedules.create(name, { task: report, when }),
      () => schedules.get(name),
      () => schedules.remove(name),
      () => schedules.enable(name),
      () => schedules.disable(name),
      () => schedules.trigger(name),
      () => schedules.preview(name),
      () => schedules.update(name, {}),
    ];
    for (const call of calls) await expectRefused(call, "id");
  });

  test("S6 options nobody knows are refused: a misspelt revision must not overwrite", async () => {
    const { schedules } = rig().scheduler;
    await schedules.create(id, { task: report, when });
    const typo = untyped<object>({ revison: 1 });
    await expectRefused(() => schedules.update(id, { name: "x" }, typo), "revison");
    await expectRefused(() => schedules.get(id, typo), "revison");
    await expectRefused(() => schedules.remove(id, typo), "revison");
    await expectRefused(() => schedules.trigger(id, typo), "revison");
    await expectRefused(() => schedules.list(typo), "revison");
  });

  test("S10 trigger and preview refuse bad ticks and counts", async () => {
    const { schedules } = rig().scheduler;
    await schedules.create(id, { task: report, when });
    await expectRefused(() => schedules.trigger(id, { tick: "noon" }), "tick");
    for (const count of [0, -1, 1.5, Number.NaN, 10_001])
      await expectRefused(() => schedules.preview(id, { count }), "count");
  });

  test("S1 a list of schedules that is none is refused", async () => {
    const { schedules } = rig().scheduler;
    await expectRefused(() => schedules.ensureMany(untyped<[]>("all")), "items");
    await expectRefused(() => schedules.ensureMany(untyped<[]>([undefined])), "items[0]");
  });

  test("S10 what does not exist is NOT_FOUND", async () => {
    const { schedules } = rig().scheduler;
    for (const name of ["enable", "disable", "trigger", "preview"] as const) {
      await expectRefused(() => schedules[name]("none"), "id", "NOT_FOUND");
    }
    await expectRefused(() => schedules.update("none", { name: "x" }), "id", "NOT_FOUND");
    expect([await schedules.get("none"), await schedules.remove("none")]).toEqual([undefined, false]);
  });
});

describe("rules", () => {
  test.each([
    ["too few fields", "* * *"],
    ["a field out of range", "61 * * * *"],
    ["a date that never comes", "0 0 30 2 *"],
    ["nothing", ""],
    ["a zone inside", "TZ=Europe/Paris 0 9 * * *"],
  ])("S1 a cron expression with %s is an InvalidCronError", async (_, expression) => {
    await expectRefused(() => cron(expression), expect.any(String), "INVALID_CRON");
  });

  test.each(["Europe/Atlantis", "", "../etc", "+25:00"])(
    "S1 the zone %s is an InvalidTimeZoneError",
    async (timezone) => {
      await expectRefused(() => cron("0 9 * * *", { timezone }), expect.any(String), "INVALID_TIME_ZONE");
      const anchor = "2026-01-01T00:00:00Z";
      await expectRefused(
        () => everyCalendar({ days: 1 }, { anchor, timezone }),
        expect.any(String),
        "INVALID_TIME_ZONE",
      );
    },
  );

  test("S1 constructors refuse what they do not know, naming the field", async () => {
    const anchor = "2026-01-01T00:00:00Z";
    await expectRefused(() => cron(untyped<string>(5)), "expression");
    await expectRefused(() => cron("* * * * *", untyped<object>({ zone: "UTC" })), "zone");
    await expectRefused(() => cron("* * * * *", { onGap: untyped<"skip">("run") }), "onGap");
    await expectRefused(() => every("500ms"), "interval");
    await expectRefused(() => every(Number.NaN), "interval");
    await expectRefused(() => every("1m", { anchor: "2026-01-01" }), "anchor");
    await expectRefused(() => everyCalendar({}, { anchor }), "units");
    await expectRefused(() => everyCalendar({ months: 0 }, { anchor }), "units.months");
    await expectRefused(() => everyCalendar(untyped<object>({ hours: 1 }), { anchor }), "units.hours");
    await expectRefused(() => once("tomorrow"), "at");
    await expectRefused(() => union(), "rules");
    await expectRefused(() => union(untyped<Rule>("x")), expect.stringContaining("rules"));
    await expectRefused(() => except(when, ["2026-02-30"]), "excluded[0]");
    await expectRefused(() => except(when, untyped<[]>("2026-02-03")), "excluded");
    await expectRefused(() => nextTicks(when, untyped<{ after: Date }>({})), "after");
    await expectRefused(() => nextTicks(when, { after: new Date(), count: 0 }), "count");
  });

  test.each([
    ["an unknown kind", { kind: "daily" }, "when.kind"],
    ["cron without an expression", { kind: "cron" }, "when.expression"],
    ["cron with more", { kind: "cron", expression: "* * * * *", timezone: "UTC", x: 1 }, "when.x"],
    ["every of nothing", { kind: "every" }, "when.everyMs"],
    ["every that is too short", { kind: "every", everyMs: 10 }, "when.everyMs"],
    ["every with more", { kind: "every", everyMs: 60_000, x: 1 }, "when.x"],
    ["every anchored by text", { kind: "every", everyMs: 60_000, anchor: "2026-01-01" }, "when.anchor"],
    ["a calendar rule without an anchor", { kind: "every-calendar", days: 1, timezone: "UTC" }, "when.anchor"],
    ["once at a text", { kind: "once", at: "2026-01-01" }, "when.at"],
    ["once at no instant", { kind: "once", at: Number.NaN }, "when.at"],
    ["a union of nothing", { kind: "union" }, "when.rules"],
    ["a union of text", { kind: "union", rules: "abc" }, "when.rules"],
    ["a bad rule in a union", { kind: "union", rules: [when, { kind: "no" }] }, "when.rules[1].kind"],
    ["except without its parts", { kind: "except", rule: when }, "when.days"],
    [
      "except of a bad day",
      { kind: "except", rule: when, days: ["x"], instants: [], rules: [], timezone: "UTC" },
      "when.days[0]",
    ],
  ])("S1 a rule given as data that is %s is refused with a typed error", async (_, bad, field) => {
    const { scheduler } = rig();
    const error = await rejection(scheduler.schedules.create(id, { task: report, when: untyped<Rule>(bad) }));
    expect(isPunctualError(error), String(error)).toBe(true);
    expect(error).toMatchObject({ field });
    expect((await scheduler.schedules.list()).items).toEqual([]);
  });

  test("S1 a rule that can never tick is refused", async () => {
    const { scheduler } = rig();
    const never = except(every("1d", { anchor: "2026-01-01T00:00:00Z" }), [
      every("1h", { anchor: "2026-01-01T00:00:00Z" }),
    ]);
    await expectRefused(() => scheduler.schedules.create(id, { task: report, when: never }), "when");
  });
});
