// The contract's stores over a world.
import type { Engine } from "../core/engine.ts";
import type { Finding } from "../core/findings.ts";
import { eventStore } from "./events.ts";
import { inspectionStore } from "./inspection.ts";
import { jobStore } from "./jobs.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import type { Run } from "./run.ts";
import { scheduleStore } from "./schedules.ts";
import { tenantStore } from "./tenants.ts";
import { transferStore } from "./transfer.ts";

/** The stores of an engine that gets at its world in a way of its own. */
export function storesOver(
  run: Run,
  findings: () => Promise<Finding[]>,
): Pick<
  Engine,
  "now" | "jobs" | "schedules" | "queues" | "tenants" | "records" | "events" | "transfer" | "inspection"
> {
  return {
    now: () => run((_, now) => now),
    jobs: jobStore(run),
    schedules: scheduleStore(run),
    queues: queueStore(run),
    tenants: tenantStore(run),
    records: recordStore(run),
    events: eventStore(run),
    transfer: transferStore(run),
    inspection: inspectionStore(run, findings),
  };
}
