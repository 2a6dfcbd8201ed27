// S10: the preview is the code that fires: what it shows is what a ticker then fires, tick for tick.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaults } from "../../src/core/defaults.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { comingTicks } from "../../src/core/preview.ts";
import { cron, every, everyCalendar, except, once, type Rule, union } from "../../src/core/rule.ts";
import { planPut } from "../../src/core/saving.ts";
import type { Schedule, ScheduleDefinition } from "../../src/core/schedule.ts";
import { definition, schedulePut } from "../../src/testing/conformance/builders.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The day before the clocks of Paris go forward. */
const begin = Date.UTC(2030, 2, 30);
const paris = { timezone: "Europe/Paris" };

const rules: fc.Arbitrary<Rule> = fc.constantFrom(
  every("90s"),
  every("7h", { anchor: new Date(begin - dayMs) }),
  cron("H H(1-3) * * *", paris),
  cron("30 2 * * *", { ...paris, onGap: "skip", onOverlap: "both" }),
  cron("*/10 * * * *", paris),
  everyCalendar({ days: 1 }, { anchor: new Date(begin + 1.5 * hourMs), ...paris }),
  once(new Date(begin + 5 * hourMs)),
  union(every("25m"), cron("H * * * *", paris), once(new Date(begin + hourMs))),
  except(cron("*/15 * * * *", paris), [cron("0 * * * *", paris), "2030-03-31"], paris),
);

const definitions: fc.Arbitrary<Partial<ScheduleDefinition>> = fc.record({
  rule: rules,
  jitterMs: fc.constantFrom(0, 45_000, 3 * hourMs),
  maxTicks: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  startAt: fc.option(fc.integer({ min: begin - hourMs, max: begin + dayMs }), { nil: undefined }),
  endAt: fc.option(fc.integer({ min: begin + dayMs, max: begin + 3 * dayMs }), { nil: undefined }),
  overlap: fc.constantFrom("allow", "skip", "queue", "replace"),
  catchUp: fc.record({
    policy: fc.constantFrom("skip", "latest", "all"),
    windowMs: fc.constantFrom(undefined, 0, hourMs),
    limit: fc.constantFrom(1, 5, 1_000),
  }),
});

/** The ticks that a ticker fires from now on, noticing each within the bound of being on time; every job ends at once. */
function fired(schedule: Schedule, now: number, count: number, noticeMs: (tick: number) => number) {
  const made: { readonly tick: number; readonly dueAt: number }[] = [];
  let stored = schedule;
  for (let at = now; made.length < count; ) {
    const [step] = decideFiring([{ schedule: stored, unfinished: [] }], at);
    if (step === undefined) break;
    for (const { tick, dueAt } of step.fired) made.push({ tick, dueAt });
    stored = step.to;
    const { nextAt } = stored.cursor;
    if (nextAt === undefined) break;
    at = Math.max(at, nextAt + noticeMs(nextAt));
  }
  return made.slice(0, count);
}

describe("preview", () => {
  test("S10 the preview of N ticks is what a ticker then fires, whatever the rule, its bounds and how late it begins", () => {
    fc.assert(
      fc.property(
        definitions,
        fc.integer({ min: 0, max: dayMs }),
        fc.integer({ min: 1, max: 60 }),
        (parts, lateMs, count) => {
          // Under `skip`, `queue` and `replace` several ticks at once are one job: each has ended before the next here.
          const oneByOne = parts.overlap === "allow" || parts.overlap === "replace" || parts.catchUp?.policy !== "all";
          fc.pre(oneByOne);
          const plan = planPut(undefined, schedulePut({ definition: definition(parts) }), begin);
          if (!("schedule" in plan)) throw new Error("it is created");
          const now = begin + lateMs;
          const shown = comingTicks(plan.schedule, now, count);
          expect(shown).toEqual(fired(plan.schedule, now, count, () => 0));
          const shortestGapMs = Math.min(...shown.slice(1).map(({ tick }, index) => tick - (shown[index]?.tick ?? 0)));
          if (shortestGapMs > defaults.tickLateMs) {
            expect(shown).toEqual(fired(plan.schedule, now, count, (tick) => tick % (defaults.tickLateMs + 1)));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("S10 a tick that is held counts towards maxTicks, and is not shown again", () => {
    const put = schedulePut({ definition: definition({ maxTicks: 3, overlap: "queue" }) });
    const plan = planPut(undefined, put, begin);
    if (!("schedule" in plan)) throw new Error("it is created");
    const held = { tick: begin + minuteMs, dueAt: begin + minuteMs, missed: 0 };
    const cursor = { ...plan.schedule.cursor, after: begin + minuteMs };
    const waiting = { ...plan.schedule, cursor, held, ticksFired: 1 };
    expect(comingTicks(waiting, begin + minuteMs, 10).map(({ tick }) => tick)).toEqual([begin + 2 * minuteMs]);
    const triggered = { ...waiting, held: { ...held, operation: "op-1" } };
    expect(comingTicks(triggered, begin + minuteMs, 10)).toHaveLength(2);
  });
});
