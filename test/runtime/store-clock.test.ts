// The runtime only estimates the store's clock: being off by a moment must cost no more than that moment.
import { expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { rigOn, secondMs } from "./rig.ts";

const mail = task<number>("mail");

test.each([1, 2, 3])(
  "S11 a job is begun within a few ms of its time when the estimate is %i ms ahead",
  async (aheadMs) => {
    const clock = new VirtualClock();
    let slowMs = 0;
    const engine = memory({ clock: { now: () => clock.now() - slowMs } });
    const begunAt: number[] = [];
    const { scheduler, start } = rigOn(engine, clock, {
      handlers: [handle(mail, () => void begunAt.push(clock.now()))],
    });
    await start("worker");
    // From here on the store's clock is behind what was read of it, as two clocks drift apart.
    slowMs = aheadMs;
    const dueAt = clock.now() + secondMs;
    await scheduler.enqueue(mail, 1, { at: new Date(dueAt) });
    await clock.advance(2 * secondMs);
    expect(begunAt).toHaveLength(1);
    expect((begunAt[0] ?? 0) - (dueAt + aheadMs)).toBeLessThanOrEqual(2);
  },
);
