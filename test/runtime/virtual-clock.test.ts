// The clock of users' own tests, "punctual/testing".
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/testing/index.ts";
import { hourMs } from "./rig.ts";

describe("virtual clock", () => {
  test("S11 timers run at their instants, in order, also those set on the way", async () => {
    const clock = new VirtualClock(new Date("2026-05-05T00:00:00Z"));
    const ran: [string, number][] = [];
    const set = (name: string, ms: number, then = () => {}) =>
      clock.after(ms, () => {
        ran.push([name, clock.monotonic()]);
        then();
      });
    set("late", 300);
    set("early", 100, () => void set("set on the way", 50));
    set("same instant", 300);
    set("too late", 301);
    const cancel = set("cancelled", 200);
    cancel();
    await clock.advance(300);
    expect(ran).toEqual([
      ["early", 100],
      ["set on the way", 150],
      ["late", 300],
      ["same instant", 300],
    ]);
    expect(clock.now()).toBe(Date.UTC(2026, 4, 5, 0, 0, 0, 300));
  });

  test("S2 a jump moves the wall clock alone", async () => {
    const clock = new VirtualClock(0);
    clock.jumpWall(hourMs);
    await clock.advance(5);
    expect([clock.wall(), clock.now(), clock.monotonic()]).toEqual([hourMs + 5, 5, 5]);
  });

  test("S11 time stands still until it is moved, and what needs none settles", async () => {
    const clock = new VirtualClock(7);
    const ran: string[] = [];
    clock.after(1, () => ran.push("after"));
    clock.soon(() => clock.soon(() => ran.push("soon")));
    await clock.settle();
    expect([ran, clock.now()]).toEqual([["soon"], 7]);
  });

  test.each([-1, Number.NaN])("S11 time does not move by %d", async (ms) => {
    const clock = new VirtualClock(0);
    await clock.advance(10);
    await clock.advance(ms).catch(() => {});
    expect(clock.monotonic()).toBe(10);
  });
});
