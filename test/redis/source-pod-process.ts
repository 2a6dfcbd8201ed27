// A pod: a process with all roles whose schedules come from the user's table of reports, fed by a Redis channel. It prints
// what happens as lines of JSON.
// Usage: source-pod-process.ts JSON of PodOptions
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { createScheduler, cron, handle, scheduleSource, task } from "punctual";
import { connect } from "punctual/connect";
import { redisChanges } from "punctual/redis";
import { systemClock } from "../../src/runtime/clock.ts";

export interface PodOptions {
  /** URL of the store. */
  readonly store: string;
  /** File of the user's table. */
  readonly table: string;
  readonly redis: string;
  readonly channel: string;
  /** How wrong the pod's clock is. */
  readonly offsetMs: number;
  readonly leaseMs: number;
}

/** What a report is, as users of redis-distro-scheduler keep it. */
export interface ScheduleRecord {
  readonly id: string;
  readonly customerId: string;
  readonly name: string;
  readonly cronExpression: string;
  readonly timezone: string;
  readonly payload: Payload;
  readonly enabled: boolean;
}

export interface Payload {
  readonly text: string;
  /** How long its report takes. */
  readonly ms?: number;
  readonly overlap?: "allow" | "skip";
}

/** What a pod prints. */
export interface PodLine {
  readonly kind: "ready" | "started" | "ended" | "error" | "lease-lost";
  readonly at: number;
  readonly job: string;
  readonly attempt: number;
  readonly schedule: string;
  readonly tick: number;
  readonly text: string;
}

const options = JSON.parse(process.argv[2] ?? "") as PodOptions;
const print = (line: Partial<PodLine>) => process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);

const report = task<Payload>("report");
const runReport = handle(report, async ({ text, ms = 0 }, { job, attempt, schedule, tick }) => {
  const run = { job: job.id, attempt, text, schedule: schedule?.id ?? "", tick: tick?.at.getTime() ?? 0 };
  print({ kind: "started", ...run });
  await sleep(ms);
  print({ kind: "ended", ...run });
});

const table = new DatabaseSync(options.table);
const { redis, channel, offsetMs } = options;
const source = scheduleSource<ScheduleRecord>({
  name: "reports",
  load: () =>
    table
      .prepare("SELECT record FROM report_schedules")
      .all()
      .map(({ record }) => JSON.parse(`${record}`) as ScheduleRecord),
  changes: redisChanges(redis, { channel }),
  toSchedule: ({ enabled, customerId, name, cronExpression, timezone, payload }) =>
    enabled
      ? {
          task: report,
          tenant: customerId,
          name,
          input: payload,
          when: cron(cronExpression, { timezone }),
          overlap: payload.overlap ?? "allow",
        }
      : undefined,
  // What heals is the feed, not the next load.
  reconcileEvery: "1h",
});

const scheduler = createScheduler({
  engine: await connect(options.store),
  handlers: [runReport],
  sources: [source],
  worker: { lease: options.leaseMs, concurrency: 20 },
  clock: { ...systemClock, wall: () => Date.now() + offsetMs },
});
scheduler.on("worker:error", ({ error, where }) => print({ kind: "error", text: `${where}: ${error}` }));
scheduler.on("job:lease-lost", ({ id }) => print({ kind: "lease-lost", job: id }));
process.once("SIGTERM", () => void scheduler.stop({ timeout: "10s" }).then(() => process.exit(0)));
await scheduler.start();
print({ kind: "ready" });
