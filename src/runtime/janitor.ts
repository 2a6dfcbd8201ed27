// The janitor role: trims finished jobs, expired records and old audit events, one bounded batch a turn.
import { defaults } from "../core/defaults.ts";
import type { Engine } from "../core/engine.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import { Loop } from "./loop.ts";

export interface JanitorOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly random: () => number;
}

const kinds = ["jobs", "events"] as const;

export class Janitor {
  readonly #options: JanitorOptions;
  readonly #loop: Loop;
  #first = true;
  /** Kinds of rows that this round has still to look at. */
  #left: readonly ("jobs" | "events")[] = [];

  constructor(options: JanitorOptions) {
    this.#options = options;
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#purge(),
      horizonMs: defaults.janitorMs,
      onError: (error) => options.emitter.emit("worker:error", { error, where: "purge" }),
      random: options.random,
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #purge(): Promise<number> {
    if (this.#first) {
      // Replicas that start together do not purge together.
      this.#first = false;
      return this.#options.random() * defaults.janitorMs;
    }
    const [kind = "jobs", ...rest] = this.#left.length === 0 ? kinds : this.#left;
    const { more } = await this.#options.engine[kind].purge({ limit: defaults.purgeLimit });
    this.#left = more ? [kind, ...rest] : rest;
    return this.#left.length === 0 ? defaults.janitorMs : 0;
  }
}
