// What a user's compiler must accept, and refuse, of every subpath: the same file for each kind of module.
import {
  createScheduler,
  cron,
  type Engine,
  every,
  type Handler,
  handle,
  hasCode,
  type InputOf,
  type JobView,
  PermanentError,
  type Scheduler,
  task,
} from "punctual";
import { type BullmqQueue, bullmqQueue } from "punctual/bullmq";
import { defineConfig } from "punctual/config";
import { type ConnectOptions, connect } from "punctual/connect";
import { memory } from "punctual/memory";
import { type Database, type SqliteOptions, sqlite } from "punctual/sqlite";
import { type JobMatch, type TestScheduler, testScheduler, testSchedulerOn, VirtualClock } from "punctual/testing";
import { runConformance } from "punctual/testing/conformance";

const greet = task<{ name: string }>("greet", { retry: { attempts: 3 }, timeout: "5s" });
type Input = InputOf<typeof greet>;
const input: Input = { name: "Ada" };
const settings: SqliteOptions = { synchronous: "full" };
const options: ConnectOptions = { mustExist: true };
const engine: Engine<Database> = sqlite(":memory:", settings);
const handlers: readonly Handler[] = [
  handle(greet, ({ name }, ctx) => {
    const late: number = ctx.delayMs;
    const signal: AbortSignal = ctx.signal;
    if (signal.aborted) throw new PermanentError("too late");
    return `${name}, ${late.toFixed()} ms late`;
  }),
];
const scheduler: Scheduler<Database> = createScheduler({ engine, handlers, worker: { concurrency: 2 } });

export async function use(database: Database): Promise<JobView | undefined> {
  await scheduler.schedules.ensure("daily", {
    task: greet,
    input,
    when: cron("0 9 * * *", { timezone: "Europe/Paris" }),
  });
  await scheduler.using(database).enqueue(greet, input);
  const { id } = await scheduler.enqueue(greet, input, { delay: "2s" }).catch((error: unknown) => {
    if (hasCode(error, "KEY_IN_USE")) throw new Error(error.mend);
    throw error;
  });
  // @ts-expect-error the input is typed
  await scheduler.enqueue(greet, { name: 1 });
  // @ts-expect-error there is no such code
  hasCode(undefined, "NO_SUCH_CODE");
  // @ts-expect-error the memory engine has no transactions
  createScheduler({ engine: memory() }).using(database);
  return await scheduler.jobs.get(id);
}

export const clock = new VirtualClock(new Date());
export const timed = createScheduler({ engine: memory({ clock }), clock });
export const config = defineConfig({
  engine: "sqlite:x.db",
  handlers,
  schedules: [{ id: "s", task: "greet", when: every("1m") }],
});
export const engineOfUrl: Promise<Engine> = connect("memory:", options);

export async function testIt(): Promise<TestScheduler<Database>> {
  const t = await testScheduler({ handlers: [handle(greet, () => t.clock.now())], startAt: "2026-03-28T09:00" });
  const match: JobMatch<Input> = { input: { name: "Ada" }, dueIn: "1h" };
  const { output }: JobView = await t.expectCompleted(greet, match);
  // @ts-expect-error the input has no such member
  await t.expectEnqueued(greet, { input: { nam: output } });
  // @ts-expect-error memory has no transactions
  t.scheduler.using({});
  const on = await testSchedulerOn((clock) => sqlite(":memory:", { clock }), { handlers, mode: "manual" });
  const database: Database | undefined = undefined;
  if (database !== undefined) on.scheduler.using(database);
  return on;
}
export const queue: BullmqQueue = bullmqQueue("reports", { connection: "redis://127.0.0.1:6379" });
export const delivering: Handler = queue.deliver(greet, { delay: "1s" });
// @ts-expect-error a queue needs a connection
bullmqQueue("reports", {});
export const conformance = runConformance;
