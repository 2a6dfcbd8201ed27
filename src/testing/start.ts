// `testScheduler` and `testSchedulerOn`: how a test gets its scheduler.
import { shown } from "../core/duration.ts";
import type { Engine } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import { memory } from "../engines/memory/index.ts";
import type { KitClock } from "./kit-clock.ts";
import type { EngineOn, TestSchedulerOptions } from "./test-options.ts";
import { TestScheduler } from "./test-scheduler.ts";

/**
 * Starts a scheduler for a test, over a store in memory and on a clock of its own that stands still until it is moved.
 * @throws InvalidInputError naming the option at fault
 */
export async function testScheduler(options: TestSchedulerOptions = {}): Promise<TestScheduler> {
  return await new TestScheduler(plainStore, options).start();
}

/** The same over another engine, for code that uses its transactions. */
export async function testSchedulerOn<Tx>(
  engine: EngineOn<Tx>,
  options: TestSchedulerOptions = {},
): Promise<TestScheduler<Tx>> {
  if (typeof engine === "function") return await new TestScheduler<Tx>(engine, options).start();
  throw new InvalidInputError(`engine must be a function of the clock, got ${shown(engine)}`, { field: "engine" });
}

/** Keeps all that happens: a test looks at it. */
function plainStore(clock: KitClock): Engine {
  return memory({ clock, retention: { completedCountMax: 1e9, endedCountMax: 1e9, events: "36500d" } });
}
