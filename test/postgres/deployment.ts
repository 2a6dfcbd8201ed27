// Processes of one deployment: schedulers on pools of their own over one database, each stopped with its test.
import { expect, onTestFinished } from "vitest";
import { type PostgresOptions, postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { createScheduler, type Handler, type Scheduler, type SchedulerOptions } from "../../src/index.ts";
import { eventNames } from "../../src/runtime/events.ts";

/** What is usual for no test, and so said by those that mean it. */
interface ProcessOptions extends Omit<SchedulerOptions<SqlClient>, "engine" | "handlers"> {
  readonly engine?: PostgresOptions;
}

/** Another process, as far as a store can tell: it shares nothing with those before it. */
export function processOn(
  url: string,
  handlers: readonly Handler[] = [],
  { engine = {}, ...options }: ProcessOptions = {},
): Scheduler<SqlClient> {
  const scheduler = createScheduler({ ...options, engine: postgres(url, engine), handlers });
  onTestFinished(() => scheduler.stop({ timeout: 0 }));
  return scheduler;
}

/** The ids of the jobs, or schedules, that a process tells events of, by the event's name. */
export function idsTold(scheduler: Scheduler<SqlClient>): ReadonlyMap<string, readonly string[]> {
  const told = new Map<string, string[]>(eventNames.map((name) => [name, []]));
  for (const name of eventNames) {
    scheduler.on(name, (event) => {
      if ("id" in event) told.get(name)?.push(event.id);
    });
  }
  return told;
}

/** Waits for what is to come, however busy the machine is. */
export const eventually = <Found>(look: () => Found) => expect.poll(look, { timeout: 30_000, interval: 20 });
