// schedules: a million schedules registered in bulk, and what a serving process then costs, against one on an empty
// store.
import { idleFigures, playIdle } from "../runner/idle.ts";
import type { Workload } from "../runner/workload.ts";

/** Schedules in one call of ensureMany. */
const registerSize = 1_000;

export const workload: Workload = {
  name: "schedules",
  title: "register 1,000,000 schedules; what they cost an idle process",
  unit: "schedules/s",
  better: "more",
  needs: ["many-schedules", "processes", "work"],
  long: true,
  compiled: true,
  oursOnly: true,
  play: async (stage) => {
    const count = stage.scaled(1_000_000);
    const before = await playIdle(stage, "empty");
    // One process at a time: the other would take its share of the machine.
    await (await stage.worker()).end();
    const producer = await stage.producer();
    let cpuUs = 0;
    let took = 0;
    // Told in parts, for the progress line; each part goes on where the last one ended.
    const part = Math.max(registerSize, Math.ceil(count / 20));
    for (let from = 0; from < count; from += part) {
      stage.progress("registering", from, count);
      const span = await producer.call("scheduleDormant", from, Math.min(part, count - from), registerSize);
      took += span.to - span.from;
      cpuUs += span.cpuUs;
    }
    const stored = await producer.call("countSchedules");
    await producer.end();
    const after = await playIdle(stage, "full");
    return {
      value: (count / took) * 1_000,
      cpuUsPerJob: cpuUs / count,
      count: stored,
      problems: stored === count ? [] : [`the store shows ${stored} of ${count} schedules`],
      figures: idleFigures(before, after),
    };
  },
};
