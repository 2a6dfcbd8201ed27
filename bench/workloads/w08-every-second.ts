// W8: ten schedules that tick every second for 10 s: how late each tick's handler began, and whether that drifts. A
// subject that counts in minutes ticks twice, every minute.
import { setTimeout as sleep } from "node:timers/promises";
import type { HandledTick } from "../process/ledger.ts";
import { wallOfStamp } from "../process/stamp.ts";
import { percentile } from "../runner/figures.ts";
import type { Workload } from "../runner/workload.ts";

const schedules = 10;

/** A tick that has not run by then, in ms after the last of them, is missed: later than that no machine is. */
const missedAfterMs = 10_000;

/** Every tick of every schedule between the two instants, exactly once. */
function tickProblems(
  ticks: readonly (HandledTick & { readonly nominal: number })[],
  from: number,
  to: number,
  tickMs: number,
): string[] {
  const times = new Map<string, number>();
  for (const { sequence, nominal } of ticks) {
    const name = `${sequence} ${nominal}`;
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  let missed = 0;
  let doubled = 0;
  for (let sequence = 0; sequence < schedules; sequence++) {
    for (let tick = from; tick <= to; tick += tickMs) {
      const count = times.get(`${sequence} ${tick}`) ?? 0;
      if (count === 0) missed++;
      if (count > 1) doubled++;
    }
  }
  return [
    ...(missed > 0 ? [`${missed} ticks never ran`] : []),
    ...(doubled > 0 ? [`${doubled} ticks ran more than once`] : []),
  ];
}

export const workload: Workload = {
  name: "W8",
  title: "ten one-second schedules for 10 s, lateness",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["schedules"],
  play: async (stage) => {
    const { tickMs = 1_000, tickPatienceMs = 900 } = stage.pace;
    const count = tickMs < 60_000 ? Math.max(2, Math.round(stage.scaled(10, 2))) : 2;
    const worker = await stage.worker();
    await worker.call("work", schedules, { ticks: true });
    const cron = tickMs < 60_000 ? "* * * * * *" : "0 * * * * *";
    const plans = Array.from({ length: schedules }, (_, sequence) => ({ sequence, cron }));
    await worker.call("schedule", plans, schedules);
    // The tick that comes next may be met half-way, so the one after it is the first that counts; of minutes, the next.
    const from = Math.ceil((Date.now() + 1_000) / tickMs) * tickMs;
    const to = from + (count - 1) * tickMs;
    for (let wait = true; wait; ) {
      const leftMs = to + tickPatienceMs - Date.now();
      wait = leftMs > 0;
      const done = Math.max(0, Math.ceil(count - leftMs / tickMs));
      stage.progress("ticking", Math.min(done, count), count);
      await sleep(Math.max(0, Math.min(leftMs, 500)));
    }
    const offset = wallOfStamp();
    const ticksSoFar = async () => {
      const all = (await worker.call("ticks")).map((tick) => {
        const ranAt = tick.at + offset;
        // A peer that does not tell which tick it is: the nearest one before, if it is not a little early.
        const nominal = tick.tickAt ?? Math.floor((ranAt + 100) / tickMs) * tickMs;
        return { ...tick, nominal, lateMs: ranAt - nominal };
      });
      return all.filter(({ nominal }) => nominal >= from && nominal <= to);
    };
    let ticks = await ticksSoFar();
    while (ticks.length < schedules * count && Date.now() < to + missedAfterMs) {
      await sleep(100);
      ticks = await ticksSoFar();
    }
    const quarter = Math.max(1, count / 4) * tickMs;
    const early = ticks.filter(({ nominal }) => nominal < from + quarter).map(({ lateMs }) => lateMs);
    const late = ticks.filter(({ nominal }) => nominal > to - quarter).map(({ lateMs }) => lateMs);
    const p99 = percentile(
      ticks.map(({ lateMs }) => lateMs),
      0.99,
    );
    return {
      value: p99,
      p50: percentile(
        ticks.map(({ lateMs }) => lateMs),
        0.5,
      ),
      p99,
      count: ticks.length,
      problems: tickProblems(ticks, from, to, tickMs),
      figures: {
        driftMs: percentile(late, 0.5) - percentile(early, 0.5),
        maxMs: percentile(
          ticks.map(({ lateMs }) => lateMs),
          1,
        ),
      },
    };
  },
};
