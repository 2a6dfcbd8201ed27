// W9: register 10,000 schedules, 1,000 of which tick at one instant some seconds later: when the last of them began.

import { dormantPlan } from "../process/desk.ts";
import { problemsOf } from "../process/ledger.ts";
import { wallOfStamp } from "../process/stamp.ts";
import { tallyProblems } from "../runner/drain.ts";
import { percentile } from "../runner/figures.ts";
import type { Plan } from "../runner/subject.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W9",
  title: "register 10,000 schedules; 1,000 on one instant: the last began",
  unit: "ms",
  valueIs: "lastMs",
  better: "less",
  needs: ["many-schedules"],
  play: async (stage) => {
    const count = stage.scaled(10_000);
    const ticking = stage.scaled(1_000);
    const { registerMs = 5_000, registerSize = 1_000, tickMs = 1_000, tickPatienceMs = 30_000 } = stage.pace;
    // From before the registration to the tick: long enough for it.
    const leadMs = stage.scaled(registerMs, 1_000);
    const worker = await stage.worker();
    await worker.call("work", ticking, { stamps: true });
    const tickAt = Math.ceil((Date.now() + leadMs) / tickMs) * tickMs;
    const at = new Date(tickAt);
    const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
    const plans = Array.from(
      { length: count },
      (_, sequence): Plan => (sequence < ticking ? { sequence, cron } : dormantPlan(sequence)),
    );
    stage.progress("registering", 0, count);
    const span = await worker.call("schedule", plans, registerSize);
    const registeredAt = span.to + wallOfStamp();
    stage.watch("ticking", () => worker.handled, ticking);
    const handled = await worker.call("handledBy", ticking, Math.max(0, tickAt - Date.now()) + tickPatienceMs);
    // One that has not come to the end of them is not waited for.
    const counts = handled === ticking && stage.subject.abilities.includes("work");
    const drained = counts ? await worker.call("drained", ticking) : undefined;
    const startedAt = await worker.call("startedAt");
    const offset = wallOfStamp();
    const lateness = startedAt.filter((started) => started > 0).map((started) => started + offset - tickAt);
    const lastMs = percentile(lateness, 1);
    return {
      value: lastMs,
      p50: percentile(lateness, 0.5),
      p99: percentile(lateness, 0.99),
      count: handled,
      problems: [
        ...(handled === ticking ? [] : [`${handled} handlers ran for ${ticking} ticks`]),
        ...(drained === undefined
          ? []
          : [...problemsOf([drained.seen], ticking), ...tallyProblems(drained.tally, ticking, 0)]),
        ...(registeredAt > tickAt ? ["not everything was registered before the tick"] : []),
      ],
      figures: { registerMs: span.to - span.from, lastMs },
    };
  },
};
