// The janitor role: trims finished jobs, expired records and old audit events, and retimes schedules when the time zone
// data has changed, one bounded batch a turn.
import { defaults } from "../core/defaults.ts";
import type { Engine } from "../core/engine.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import { Loop } from "./loop.ts";
import { ZoneWatch } from "./zone-watch.ts";

export interface JanitorOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly random: () => number;
  /** Nothing is late for anybody, on a test's clock: it comes seldom. */
  readonly patient: boolean;
  /** The version of this process's time zone data, where it is known. */
  readonly zoneData: string | undefined;
}

const kinds = ["jobs", "events", "zones"] as const;

export class Janitor {
  readonly #options: JanitorOptions;
  readonly #loop: Loop;
  readonly #pauseMs: number;
  #first = true;
  readonly #zones: ZoneWatch;
  /** What this round has still to look at. */
  #left: readonly (typeof kinds)[number][] = [];

  constructor(options: JanitorOptions) {
    this.#options = options;
    this.#pauseMs = options.patient ? defaults.patientJanitorMs : defaults.janitorMs;
    this.#zones = new ZoneWatch(options);
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#tidy(),
      horizonMs: this.#pauseMs,
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

  async #tidy(): Promise<number> {
    if (this.#first) {
      // At once, as ticks that other rules have placed may be due next. It goes on in the first round.
      await this.#zones.step();
      this.#first = false;
      // Replicas that start together do not purge together.
      return this.#options.random() * defaults.janitorMs;
    }
    const [kind = "jobs", ...rest] = this.#left.length === 0 ? kinds : this.#left;
    // A kind that fails is left until the next round, so that it holds up no other.
    this.#left = rest;
    const more = kind === "zones" ? await this.#zones.step() : await this.#purge(kind);
    if (more) this.#left = [kind, ...rest];
    if (this.#left.length === 0) return this.#pauseMs;
    return more && kind === "zones" ? defaults.zoneCheckPauseMs : 0;
  }

  async #purge(kind: "jobs" | "events"): Promise<boolean> {
    const { more } = await this.#options.engine[kind].purge({ limit: defaults.purgeLimit });
    return more;
  }
}
