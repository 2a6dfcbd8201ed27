// Firing as a pure decision: ticks that are held, and triggers that are made again.
import { describe, expect, test } from "vitest";
import { type DueSchedule, decideFiring, decideTrigger, type FireStep } from "../../src/core/firing.ts";
import { operationJobId } from "../../src/core/id.ts";
import type { HeldTick, OverlapPolicy, Schedule } from "../../src/core/schedule.ts";

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
