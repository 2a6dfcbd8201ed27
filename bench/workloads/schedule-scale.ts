// schedules: a million schedules registered in bulk, and what a serving process then costs, against one on an empty
// store.
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
    const ms = stage.scaled(20_000, 200);
    const empty = await stage.worker();
    await empty.call("work", 0);
    await empty.call("idle", ms / 10);
    stage.progress("idling on an empty store", 0, 2);
    const before = await empty.call("idle", ms);
    await empty.end();
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
    const full = await stage.worker("another");
    await full.call("work", 0);
    await full.call("idle", ms / 10);
    stage.progress("idling on a full store", 1, 2);
    const after = await full.call("idle", ms);
    return {
      value: (count / took) * 1_000,
      cpuUsPerJob: cpuUs / count,
      count: stored,
      problems: stored === count ? [] : [`the store shows ${stored} of ${count} schedules`],
      figures: {
        rssMb: before.rssMb,
        rssMbFull: after.rssMb,
        heapMb: before.heapMb,
        heapMbFull: after.heapMb,
        cpuShare: before.cpuShare,
        cpuShareFull: after.cpuShare,
      },
    };
  },
};
