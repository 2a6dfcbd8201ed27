// The one virtual time of a simulated world, and each process's clock on it. Steps run one at a time, in order of time
// and then of planning; what a step began comes to rest before the next, so that the seed decides the whole run.

import type { Cancel, RuntimeClock } from "../../src/runtime/clock.ts";
import { Heap } from "../../src/world/heap.ts";

interface Step {
  readonly at: number;
  readonly order: number;
  readonly run: () => unknown;
  /** Whose step it is: one that is stopped runs it later, one that has died never. */
  readonly owner: ProcessClock | undefined;
  cancelled: boolean;
}

export class Timeline {
  readonly #startedAt: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #steps = new Heap<Step>(
    (a, b) => a.at - b.at || a.order - b.order,
    (step) => !step.cancelled && step.owner?.state !== "ended",
  );

  constructor(startedAt = Date.UTC(2026, 0, 1)) {
    this.#startedAt = startedAt;
  }

  /** Since the world began, in ms. */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** The store's clock: epoch ms. */
  now = (): number => this.#startedAt + this.#elapsedMs;

  /** Plans a step so many milliseconds from now. */
  in(ms: number, run: () => unknown, owner?: ProcessClock): Cancel {
    const step: Step = {
      at: this.#elapsedMs + Math.ceil(Math.max(0, ms)),
      order: this.#order++,
      run,
      owner,
      cancelled: false,
    };
    this.#steps.push(step);
    return () => {
      step.cancelled = true;
    };
  }

  /** Runs the next step and lets what it began come to rest; false when there is none. */
  async step(): Promise<boolean> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      if (step.cancelled || step.owner?.state === "ended") continue;
      if (step.owner?.state === "stopped") {
        step.owner.stalled.push(step);
        continue;
      }
      this.#elapsedMs = Math.max(this.#elapsedMs, step.at);
      await step.run();
      await new Promise<void>((resolve) => setImmediate(resolve));
      return true;
    }
    return false;
  }

  /** Gives back what a stopped process should have done meanwhile: all of it is due now, in its old order. */
  replan(steps: readonly { readonly run: () => unknown }[]): void {
    for (const step of steps as readonly Step[]) if (!step.cancelled) this.#steps.push(step);
  }
}

/** The clock of one process: a wall clock of its own that is off and jumps, and timers that die with the process. */
export class ProcessClock implements RuntimeClock {
  state: "running" | "stopped" | "ended" = "running";
  readonly stalled: { readonly run: () => unknown }[] = [];
  readonly #timeline: Timeline;
  readonly #startedMs: number;
  #skewMs: number;

  constructor(timeline: Timeline, skewMs: number) {
    this.#timeline = timeline;
    this.#startedMs = timeline.elapsedMs;
    this.#skewMs = skewMs;
  }

  monotonic = (): number => this.#timeline.elapsedMs - this.#startedMs;

  wall = (): number => this.#timeline.now() + this.#skewMs;

  after = (ms: number, callback: () => void): Cancel => this.#timeline.in(ms, callback, this);

  soon = (callback: () => void): void => {
    this.#timeline.in(0, callback, this);
  };

  jumpWall(ms: number): void {
    this.#skewMs += ms;
  }

  /** Nothing of the process runs until `resume` (SIGSTOP). */
  stop(): void {
    this.state = "stopped";
  }

  resume(): void {
    this.state = "running";
    this.#timeline.replan(this.stalled.splice(0));
  }

  /** Nothing of the process runs ever again (SIGKILL). */
  end(): void {
    this.state = "ended";
    this.stalled.length = 0;
  }
}
