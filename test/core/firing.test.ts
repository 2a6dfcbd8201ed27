// Firing as a pure decision: ticks that are held, and triggers that are made again.
import { describe, expect, test } from "vitest";
import { afterJobEnd } from "../../src/core/after-end.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { operationJobId } from "../../src/core/id.ts";
import { decideBackfill, decideTrigger, planBackfill } from "../../src/core/operations.ts";
import type { HeldTick, OverlapPolicy, Schedule } from "../../src/core/schedule.ts";
import type { DueSchedule, FireStep } from "../../src/core/step.ts";

const now = Date.UTC(2026, 0, 1);
const held: HeldTick = { tick: now - 60_000, dueAt: now - 60_000, missed: 0 };

function schedule(overlap: OverlapPolicy, waiting: HeldTick | undefined): Schedule {
  return {
    tenant: "default",
    id: "s",
    incarnation: "0123456789abcdef",
    revision: 1,
    definition: {
      rule: { kind: "every", everyMs: 60_000 },
      task: "report",
      queue: "default",
      input: "{}",
      priority: 5,
      jitterMs: 0,
      overlap,
      catchUp: { policy: "latest", windowMs: 3_600_000, limit: 1 },
    },
    enabled: true,
    cursor: { after: now, nextAt: now + 60_000, zoneRules: "" },
    ruleSetAt: now - 3_600_000,
    held: waiting,
    ticksFired: 1,
    missed: 0,
    failuresInRow: 0,
    createdAt: now,
    updatedAt: now,
  };
}

function trigger(due: DueSchedule): FireStep | undefined {
  return decideTrigger("op-1", now)([due], now)[0];
}

describe("a tick that is held", () => {
  test("S5 is recorded as skipped when a newer one takes its place", () => {
    const step = trigger({ schedule: schedule("replace", held), unfinished: [{ id: "j", state: "pending" }] });
    expect(step?.fired).toHaveLength(1);
    expect(step?.skipped).toEqual([{ from: held.tick, to: held.tick, count: 1, reason: "overlap" }]);
    expect(step?.to.held).toBeUndefined();
  });

  test("S5 goes on waiting beside ticks that are allowed since", () => {
    const step = trigger({ schedule: schedule("allow", held), unfinished: [] });
    expect(step?.fired).toHaveLength(1);
    expect(step?.to.held).toEqual(held);
  });
});

describe("runs of ticks that did not fire", () => {
  test("S4 do not reach from a tick that was held over those that were told meanwhile", () => {
    // Held at -3 min; those at -2 and -1 min were skipped before. Now `allow` lets it go, and there is no room.
    const waiting: HeldTick = { tick: now - 180_000, dueAt: now - 180_000, missed: 0 };
    const due = { schedule: schedule("allow", waiting), unfinished: [], room: 0, maxPendingJobs: 1 };
    const [step] = decideFiring([due], now + 60_000);
    expect(step?.skipped).toEqual([
      { from: waiting.tick, to: waiting.tick, count: 1, reason: "limit" },
      { from: now + 60_000, to: now + 60_000, count: 1, reason: "limit" },
    ]);
  });
});

describe("a tick that is held beyond maxTicks, as earlier versions stored", () => {
  const stored = schedule("queue", held);
  const ended = { ...stored, definition: { ...stored.definition, maxTicks: 1 } };
  const late = { from: held.tick, to: held.tick, count: 1, reason: "late" };

  test("S4 is told as late, and fires neither with the next look", () => {
    const [step] = decideFiring([{ schedule: ended, unfinished: [] }], now);
    expect([step?.fired, step?.skipped, step?.to.held, step?.to.missed]).toEqual([[], [late], undefined, 1]);
  });

  test("S4 nor when the job before it ends", () => {
    const after = afterJobEnd(ended, { incarnation: ended.incarnation, state: "completed" }, 0, now);
    expect([after?.insert, after?.events.map(({ data }) => data)]).toEqual([[], [late]]);
    expect(after?.schedule).toMatchObject({ ticksFired: 1, missed: 1 });
    expect(after?.schedule.held).toBeUndefined();
  });
});

describe("a trigger that is held", () => {
  test("S10 is released when its job has vanished, and counts for no tick of the rule", () => {
    const own = { ...held, operation: "op-1" };
    const stored = { ...schedule("queue", own), ticksFired: 0, missed: 3 };
    const definition = { ...stored.definition, maxTicks: 1 };
    const [step] = decideFiring([{ schedule: { ...stored, definition }, unfinished: [] }], now);
    expect(step?.fired).toHaveLength(1);
    expect(step?.to).toMatchObject({ ticksFired: 0, missed: 3, cursor: { nextAt: now + 60_000 } });
    expect(step?.to.held).toBeUndefined();
  });
});

describe("a trigger made again", () => {
  test.each(["skip", "replace", "queue"] as const)("J15 with overlap %s finds the job that it made", (overlap) => {
    const own = operationJobId("default", "0123456789abcdef", "op-1");
    const step = trigger({ schedule: schedule(overlap, undefined), unfinished: [{ id: own, state: "pending" }] });
    expect(step?.fired).toEqual([{ tick: now, job: own, dueAt: now }]);
    expect([step?.insert, step?.cancel, step?.skipped, step?.events]).toEqual([[], [], [], []]);
  });

  test("J15 finds that it is held", () => {
    const own = { ...held, operation: "op-1" };
    const step = trigger({ schedule: schedule("queue", own), unfinished: [{ id: "j", state: "active" }] });
    expect([step?.held, step?.skipped, step?.to.held]).toEqual([own, [], own]);
  });
});

describe("a tenant's room", () => {
  const due = (
    id: string,
    overlap: OverlapPolicy,
    parts: Partial<DueSchedule> = {},
    tenant = "default",
  ): DueSchedule => {
    const stored = { ...schedule(overlap, undefined), id, tenant };
    return {
      schedule: { ...stored, cursor: { ...stored.cursor, after: now - 60_000, nextAt: now } },
      unfinished: [],
      ...parts,
    };
  };
  const limited = { from: now, to: now, count: 1, reason: "limit" };

  test("N2 is shared by its schedules, and ticks beyond it are skipped with their reason", () => {
    const steps = decideFiring(
      [
        due("a", "allow", { room: 2 }),
        due("b", "skip", { room: 2 }),
        due("c", "queue", { room: 2 }),
        due("d", "allow", { room: 1 }, "acme"),
        due("e", "allow", {}, "globex"),
      ],
      now,
    );
    expect(steps.map((step) => step.fired.length)).toEqual([1, 1, 0, 1, 1]);
    expect(steps[2]?.skipped).toEqual([limited]);
    expect(steps[2]?.to).toMatchObject({ missed: 1, ticksFired: 1, cursor: { after: now } });
  });

  test("N2 is given back by the jobs that `replace` cancels, one for one even beyond the limit", () => {
    const pending = [{ id: "j", state: "pending" as const }];
    const steps = decideFiring(
      [due("a", "replace", { room: -3, unfinished: pending }), due("b", "replace", { room: -3 })],
      now,
    );
    expect(steps.map((step) => [step.cancel, step.fired.length])).toEqual([
      [["j"], 1],
      [[], 0],
    ]);
    const [many] = decideFiring(
      [
        due("a", "replace", { room: 0, unfinished: [...pending, { id: "k", state: "pending" }] }),
        due("b", "allow", { room: 0 }),
      ],
      now,
    ).slice(1);
    expect(many?.fired).toHaveLength(1);
  });

  test("N2 is not taken by a tick that is held", () => {
    const [step] = decideFiring([due("a", "queue", { room: 0, unfinished: [{ id: "j", state: "active" }] })], now);
    expect([step?.to.held?.tick, step?.skipped]).toEqual([now, []]);
  });

  test("N2 a trigger beyond it is refused, and so is a backfill, with what it would come to", () => {
    const full = due("a", "allow", { room: 0, maxPendingJobs: 3 });
    const limit = "maxPendingJobs";
    const [refused] = decideTrigger("op-1")([full], now);
    expect(refused).toMatchObject({ refused: { limit, max: 3, value: 4 }, insert: [], events: [], to: full.schedule });
    expect(decideTrigger("op-1")([{ ...full, room: -2 }], now)[0]?.refused?.value).toBe(6);
    const { incarnation } = full.schedule;
    const backfill = { operation: "op-1", incarnation, ticks: [now - 60_000, now], overlap: "allow" as const };
    const [step] = decideBackfill(backfill)([{ ...full, room: 1 }], now);
    // A repeat answers what it made before it took the room.
    expect([step?.refused, step?.insert, step?.fired.length]).toEqual([{ limit, max: 3, value: 4 }, [], 2]);
    expect(() => planBackfill({ ...full, room: 1 }, backfill, now)).toThrow(
      "maxPendingJobs is 3, this would make it 4",
    );
    const [made] = decideBackfill(backfill)([{ ...full, room: 2 }], now);
    expect([made?.refused, made?.insert.length]).toEqual([undefined, 2]);
  });
});

describe("runs of ticks that did not fire", () => {
  test("S4 do not reach over ticks that were told before", () => {
    const stored = schedule("replace", { ...held, tick: now - 10 * 60_000 });
    const late = { ...stored, cursor: { ...stored.cursor, after: now - 3 * 60_000, nextAt: now - 2 * 60_000 } };
    const definition = { ...late.definition, catchUp: { policy: "all" as const, limit: 100 } };
    const [step] = decideFiring([{ schedule: { ...late, definition }, unfinished: [] }], now);
    expect(step?.fired.map(({ tick }) => tick)).toEqual([now]);
    expect(step?.skipped.map(({ from, to, count }) => [from - now, to - now, count])).toEqual([
      [-120_000, -60_000, 2],
      [-600_000, -600_000, 1],
    ]);
  });

  test("S4 that join keep saying that counting stopped", () => {
    const stored = schedule("allow", undefined);
    const after = now - 100 * 24 * 3_600_000;
    const catchUp = { policy: "all" as const, limit: 2 };
    const definition = { ...stored.definition, catchUp };
    const due = {
      schedule: { ...stored, definition, ruleSetAt: after, cursor: { ...stored.cursor, after } },
      unfinished: [],
      room: 0,
    };
    const [step] = decideFiring([due], now);
    expect(step?.skipped).toEqual([{ from: after + 60_000, to: now, count: 10_003, capped: true, reason: "limit" }]);
  });
});
