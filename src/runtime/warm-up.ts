// The first tick that a process fires meets cold code and unread time zone data, some 15 ms of it: paid while nothing is
// due instead, once a process.
import { defaults } from "../core/defaults.ts";
import { firingWith } from "../core/retiming.ts";
import type { Schedule } from "../core/schedule.ts";
import { type RuntimeClock, systemClock } from "./clock.ts";

/** Less than this until the next tick, in ms, and the warm-up would be in its way. */
const roomMs = 100;

let isWarm = false;

/** Fires a schedule that nobody stores, if there is time for it. Only where time is real. */
export function warmUpFiring(clock: RuntimeClock, waitMs: number): void {
  if (isWarm || clock !== systemClock || waitMs < roomMs) return;
  isWarm = true;
  clock.soon(() => {
    const now = Math.round(clock.wall());
    firingWith(undefined)([{ schedule: example(now), unfinished: [] }], now);
  });
}

/** One that is due, in a zone whose clocks change. */
function example(now: number): Schedule {
  return {
    tenant: defaults.tenant,
    id: "warm-up",
    incarnation: "warm-up",
    revision: 1,
    definition: {
      rule: { kind: "cron", expression: "* * * * *", timezone: "Europe/Berlin" },
      task: "warm-up",
      queue: defaults.queue,
      input: "null",
      priority: defaults.priority,
      jitterMs: 0,
      overlap: defaults.overlap,
      catchUp: { policy: defaults.catchUp, windowMs: defaults.catchUpWindowMs, limit: defaults.catchUpLimit },
    },
    enabled: true,
    cursor: { after: now - 90_000, nextAt: now - 30_000, zoneRules: "" },
    ruleSetAt: now,
    ticksFired: 0,
    missed: 0,
    failuresInRow: 0,
    createdAt: now,
    updatedAt: now,
  };
}
