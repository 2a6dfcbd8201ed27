// What the Redis modes of the conformance suite share: a deployment of its own for every fact.
import type { Engine } from "../../src/core/engine.ts";
import { type RedisOptions, redis } from "../../src/engines/redis/index.ts";
import { type Harness, TestClock } from "../../src/testing/conformance/harness.ts";

/** How a mode opens its engines; the second handle may be another way in. */
export interface Mode {
  open(options: RedisOptions): Engine;
  other?(options: RedisOptions): Engine;
}

/** A mode that opens a URL. */
export function onUrl(url: string): Mode {
  return { open: (options) => redis(url, options) };
}

/** Two handles on a deployment that nobody else uses. */
export async function openHarness(mode: Mode, newDeployment: () => string): Promise<Harness> {
  const clock = new TestClock();
  const prefix = newDeployment();
  const opened: Engine[] = [];
  const open = async (engine: Engine) => {
    opened.push(engine);
    await engine.open();
    return engine;
  };
  const engine = await open(mode.open({ clock, prefix }));
  const other = await open((mode.other ?? mode.open)({ clock, prefix }));
  return {
    engine,
    other,
    clock,
    openWith: (options) => open(mode.open({ clock, prefix: newDeployment(), ...options })),
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}
