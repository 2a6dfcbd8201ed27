// The memory engine: the executable specification of the contract. Nothing survives the process.
import type { Clock } from "../../core/clock.ts";
import type { Engine } from "../../core/engine.ts";
import { type HistoryOptions, resolveHistory } from "../../core/history.ts";
import { refuseUnknown } from "../../core/options.ts";
import { World } from "../../world/world.ts";
import { engineOver } from "./engine.ts";

/** Options of the memory engine. */
export interface MemoryOptions extends HistoryOptions {
  /** The store's clock; the machine's by default. */
  readonly clock?: Clock;
}

/** A store inside this process, for tests and for work that may be lost. @throws InvalidInputError */
export function memory(options: MemoryOptions = {}): Engine {
  refuseUnknown(options, ["clock", "retention", "audit"], "");
  const { clock = { now: () => Date.now() } } = options;
  const world = new World(clock, resolveHistory(options));
  return engineOver(world);
}
