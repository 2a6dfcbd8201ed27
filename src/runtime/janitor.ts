// The janitor role: trims finished jobs, expired records and old audit events, in bounded batches.
import { defaults } from "../core/defaults.ts";
import type { Engine, PurgeAnswer } from "../core/engine.ts";
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

export class Janitor {
  readonly #options: JanitorOptions;
  readonly #loop: Loop;
  #first = true;

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
    const { jobs, events } = this.#options.engine;
    const answers: PurgeAnswer[] = [
      await jobs.purge({ limit: defaults.purgeLimit }),
      await events.purge({ olderThanMs: defaults.eventAgeMsMax, limit: defaults.purgeLimit }),
    ];
    return answers.some(({ more }) => more) ? 0 : defaults.janitorMs;
  }
}
