// The processes of fairness.ts, on one file: one that works and measures, one that enqueues for the small tenants.
// Usage: fairness-process.ts work FILE CONCURRENCY LEAST_MS MOST_MS | enqueue FILE SECONDS
import { setTimeout as sleep } from "node:timers/promises";
import { createScheduler, handle, task } from "punctual";
import { sqlite } from "punctual/sqlite";

/** What the working process tells on the way out. */
export interface FairnessReport {
  /** From the call of `enqueue` in the other process to the handler's first line, in ms, in the order of starts. */
  readonly latencies: readonly number[];
  readonly started: { readonly small: number; readonly big: number };
  readonly errors: readonly string[];
}

export const smallTenants = 50;
/** The small tenants' first seconds warm both processes and are not counted. */
export const warmSeconds = 2;

/** A small tenant's job carries when it was enqueued; the big one's carries nothing. */
export const visit = task<{ calledAt?: number }>("visit");

/** The machine's monotonic clock in ms, the same in all processes. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

async function work([file = "", concurrency, least, most]: readonly string[]): Promise<void> {
  const [leastMs, mostMs] = [Number(least), Number(most)];
  const latencies: number[] = [];
  const started = { small: 0, big: 0 };
  const errors: string[] = [];
  const visited = handle(visit, ({ calledAt }) => {
    started[calledAt === undefined ? "big" : "small"]++;
    if (calledAt !== undefined && calledAt > 0) latencies.push(now() - calledAt);
    return mostMs === 0 ? undefined : sleep(leastMs + Math.random() * (mostMs - leastMs));
  });
  const scheduler = createScheduler({
    engine: sqlite(file),
    handlers: [visited],
    worker: { concurrency: Number(concurrency) },
  });
  scheduler.on("worker:error", ({ where, error }) => errors.push(`${where}: ${error}`));
  process.once("message", () => {
    const report: FairnessReport = { latencies, started: { ...started }, errors };
    process.send?.(report, () => scheduler.stop({ timeout: "10s" }).then(() => process.exit(0)));
  });
  await scheduler.start();
  process.send?.("ready");
}

/** Each small tenant enqueues once a second, at a moment of its own. */
async function enqueue([file = "", seconds]: readonly string[]): Promise<void> {
  const scheduler = createScheduler({ engine: sqlite(file) });
  const beginsAt = now() + 100;
  const oneTenant = async (index: number) => {
    const phaseMs = Math.random() * 1_000;
    for (let second = 0; second < warmSeconds + Number(seconds); second++) {
      await sleep(Math.max(0, beginsAt + second * 1_000 + phaseMs - now()));
      const calledAt = second < warmSeconds ? 0 : now();
      await scheduler.enqueue(visit, { calledAt }, { tenant: `small-${index}` });
    }
  };
  await Promise.all(Array.from({ length: smallTenants }, (_, index) => oneTenant(index)));
  await scheduler.stop();
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "work") await work(rest);
else if (mode === "enqueue") await enqueue(rest);
