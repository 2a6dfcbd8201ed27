// S13, S4: a schedule whose ticks other zone rules have placed goes on by newer ones: no wall time is done twice, and no
// tick is lost without being told.
import { describe, expect, test } from "vitest";
import { withZones, Zone } from "../../src/core/cron/zone.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { firingWith, retimingWith } from "../../src/core/retiming.ts";
import { planPut } from "../../src/core/saving.ts";
import { nextTickOfRule, type Schedule, type SchedulePut } from "../../src/core/schedule.ts";
import type { Decide, FireStep } from "../../src/core/step.ts";
import { cron, type Rule, union } from "../../src/index.ts";
import { definition } from "../../src/testing/conformance/builders.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;
const zone = "Asia/Beirut";
const day = Date.UTC(2030, 5, 3);
const older = "2030a";
const newer = "2030b";

/** Two hours before UTC. */
const before = new Zone(zone, () => 2 * hourMs);
/** So much more from this day on, by a law that nobody knew of. */
const shifted = (ms: number) => new Zone(zone, (instant) => 2 * hourMs + (instant < day ? 0 : ms));

/** A time of that day in UTC. */
const at = (time: string) => Date.parse(`2030-06-03T${time}Z`);
const daily = (expression: string) => cron(expression, { timezone: zone });

function create(rule: Rule, now: number, by = before): Schedule {
  const put: SchedulePut = {
    tenant: "acme",
    id: "report",
    incarnation: "0123456789abcdef",
    definition: definition({ rule, catchUp: { policy: "all", limit: 1_000 } }),
    expected: "any",
    zoneData: older,
  };
  const plan = withZones([by], () => planPut(undefined, put, now));
  if (plan.outcome !== "created") throw new Error(plan.outcome);
  return plan.schedule;
}

/** The step of a decision over one schedule, by some rules. */
function decided(decide: Decide, schedule: Schedule, now: number, by: Zone): FireStep | undefined {
  return withZones([by], () => decide([{ schedule, unfinished: [] }], now)[0]);
}

/** Fires by some rules what comes until an instant; answers the instants that were told. */
function fireUntil(schedule: Schedule, until: number, by: Zone, data: string) {
  let standing = schedule;
  const fired: number[] = [];
  const skipped: number[] = [];
  for (let { nextAt } = standing.cursor; nextAt !== undefined && nextAt <= until; { nextAt } = standing.cursor) {
    const step = decided(firingWith(data), standing, Math.max(nextAt, standing.cursor.after), by);
    if (step === undefined) throw new Error("it is left alone");
    fired.push(...step.fired.map(({ tick }) => tick));
    for (const { from, to, count } of step.skipped) skipped.push(...(count === 1 ? [from] : [from, to]));
    standing = step.to;
  }
  return { schedule: standing, fired, skipped };
}

const lunch = union(daily("50 11 * * *"), daily("30 12 * * *"));
/** Noon has been over for half a minute by the old rules, one o'clock by the new. */
const now = at("10:00:30");
const late = { from: at("09:30:00"), to: at("09:30:00"), count: 1, reason: "late" };

/** A schedule that has fired its 11:50 by the old rules. */
function standing(rule: Rule = lunch): Schedule {
  const { schedule, fired } = fireUntil(create(rule, at("09:00:00")), now, before, older);
  expect(fired).toContain(at("09:50:00"));
  return schedule;
}

describe("a tick that newer rules place before what was done", () => {
  const young = shifted(hourMs);

  test("S4 is told as late when the schedule is retimed, and counts as missed", () => {
    const step = decided(retimingWith(newer), standing(), now, young);
    expect([step?.fired, step?.skipped, step?.to.missed]).toEqual([[], [late], 1]);
    expect(step?.events.map(({ type, data }) => [type, data?.["from"]])).toEqual([
      ["schedule:retimed", undefined],
      ["tick:skipped", late.from],
    ]);
    // The next day's 11:50.
    expect(step?.to.cursor.nextAt).toBe(day + 32 * hourMs + 50 * minuteMs);
    expect(decided(retimingWith(newer), step?.to ?? standing(), now, young)).toBeUndefined();
  });

  test("S4 is told by the step that fires the schedule, whose job knows of it", () => {
    const due = standing(union(lunch, daily("0 14 * * *")));
    const step = decided(firingWith(newer), due, at("12:00:00"), young);
    expect(step?.skipped[0]).toEqual(late);
    expect(step?.insert.map(({ schedule }) => [schedule?.tick, schedule?.missed])).toEqual([[at("11:00:00"), 1]]);
    expect(step?.events.filter(({ type }) => type === "tick:skipped")).toHaveLength(1);
    expect(step?.from).toBe(due);
  });

  test("S4 is told by a put that keeps the times", () => {
    const stored = standing();
    const { tenant, id, incarnation } = stored;
    const changed = { ...stored.definition, input: '"changed"' };
    const put = { tenant, id, incarnation, definition: changed, expected: "any", zoneData: newer } as const;
    const plan = withZones([young], () => planPut(stored, put, now));
    expect(plan).toMatchObject({ outcome: "updated", skipped: [late], schedule: { missed: 1 } });
  });

  test("S4 is told with those beside it as one run, and not where there are no more ticks", () => {
    const many = union(lunch, daily("25-35 12 * * *"));
    const step = decided(retimingWith(newer), standing(many), now, young);
    expect(step?.skipped).toEqual([{ from: at("09:25:00"), to: at("09:35:00"), count: 11, reason: "late" }]);
    const stored = standing(many);
    const full = { ...stored, definition: { ...stored.definition, maxTicks: stored.ticksFired } };
    expect(decided(retimingWith(newer), full, now, young)?.skipped).toEqual([]);
  });

  test("S4 is told once at an instant that was a tick by the old rules, too", () => {
    const hours = union(daily("0 9-17 * * *"), daily("20 12 * * *"));
    const { schedule, fired } = fireUntil(create(hours, at("06:00:00")), at("10:10:00"), before, older);
    expect(fired).toEqual([at("07:00:00"), at("08:00:00"), at("09:00:00"), at("10:00:00")]);
    const step = decided(retimingWith(newer), schedule, at("10:15:00"), young);
    // 13:00 is at 10:00 UTC, where 12:00 has fired; 12:20 was no tick of anybody's at 09:20 UTC.
    const cursor = { ...schedule.cursor, after: at("10:15:00"), wall: at("12:15:00") };
    const later = decided(retimingWith(newer), { ...schedule, cursor }, at("10:15:00"), young);
    expect([step?.skipped, later?.skipped]).toEqual([
      [{ from: at("09:20:00"), to: at("09:20:00"), count: 1, reason: "late" }],
      [{ from: at("09:20:00"), to: at("09:20:00"), count: 1, reason: "late" }],
    ]);
  });

  test.each([-3, -1, -0.5, 0.5, 1, 2, 3])(
    "S4 S13 with clocks moved by %d h every tick is told, none twice, and no wall time fires twice",
    (hours) => {
      const after = shifted(hours * hourMs);
      const offset = (tick: number, by: Zone) => tick + by.offsetAt(tick);
      const rules = [
        lunch,
        daily("0 9-17 * * *"),
        daily("5,35 0-23 * * *"),
        union(daily("0 9-17 * * *"), daily("20 12 * * *")),
      ];
      for (const rule of rules) {
        for (let change = at("02:10:00"); change < at("20:00:00"); change += 25 * minuteMs) {
          const first = fireUntil(create(rule, at("00:00:00")), change, before, older);
          const step = decided(retimingWith(newer), first.schedule, change, after);
          const second = fireUntil(step?.to ?? first.schedule, at("23:59:59"), after, newer);
          const passed = (step?.skipped ?? []).flatMap(({ from, to }) => (from === to ? [from] : [from, to]));
          const told = [...first.fired, ...passed, ...second.fired, ...second.skipped];
          expect(new Set(told).size).toBe(told.length);
          const walls = [
            ...first.fired.map((tick) => offset(tick, before)),
            ...second.fired.map((tick) => offset(tick, after)),
          ];
          expect(new Set(walls).size).toBe(walls.length);
          const done = new Set(first.fired.map((tick) => offset(tick, before)));
          const runs = [...(step?.skipped ?? [])];
          const lost = withZones([after], () => {
            const missing: string[] = [];
            const from = at("00:00:00") + Math.max(0, -hours * hourMs) + Math.max(0, hours * hourMs);
            for (let tick = nextTickOfRule(first.schedule, from); tick !== undefined && tick <= at("23:59:59"); ) {
              const found =
                told.includes(tick) || runs.some((run) => run.from <= Number(tick) && run.to >= Number(tick));
              if (!found && !done.has(offset(tick, after))) missing.push(new Date(tick).toISOString());
              tick = nextTickOfRule(first.schedule, tick);
            }
            return missing;
          });
          expect(lost, `changed at ${new Date(change).toISOString()}`).toEqual([]);
        }
      }
    },
  );
});

test("S13 rules that differ elsewhere tell nothing, also while clocks show a wall time for the second time", () => {
  const back = (instant: number) => (instant < at("01:00:00") ? 3 : 2) * hourMs;
  const summer = new Zone(zone, back);
  const other = new Zone(zone, (instant) => (instant < day + 400 * 24 * hourMs ? back(instant) : 5 * hourMs));
  const schedule = create(union(daily("30 3 * * *"), daily("45 3 * * *")), at("00:00:00"), summer);
  const { schedule: done, fired } = fireUntil(schedule, at("01:10:00"), summer, older);
  expect(fired).toEqual([at("00:30:00"), at("00:45:00")]);
  const cursor = { ...done.cursor, after: at("01:10:00"), wall: at("03:10:00") };
  expect(decided(retimingWith(newer), { ...done, cursor }, at("01:10:00"), other)?.skipped).toEqual([]);
});

test("S13 rules that are equal where it matters tell nothing", () => {
  const stored = standing();
  expect(decided(retimingWith(newer), stored, now, before)).toBeUndefined();
  expect(decided(decideFiring, stored, now, before)?.skipped).toEqual([]);
});
