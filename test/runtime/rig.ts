// What facts about the runtime are given: a scheduler over a real engine, and a clock that a fact moves.
import { onTestFinished } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { createScheduler, type Role, type Scheduler, type SchedulerEvents } from "../../src/index.ts";
import { eventNames } from "../../src/runtime/events.ts";
import type { SchedulerOptions } from "../../src/runtime/scheduler-options.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { Faulty } from "./faulty.ts";

export const secondMs = 1_000;
export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** What happened, in order. */
export interface Seen {
  readonly name: keyof SchedulerEvents;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Rig<Tx = never> {
  readonly clock: VirtualClock;
  readonly scheduler: Scheduler<Tx>;
  readonly faulty: Faulty<Tx>;
  /** Every event of the scheduler. */
  readonly seen: readonly Seen[];
  /** Starts roles and lets them come to rest. */
  start(...roles: readonly Role[]): Promise<void>;
  /** Stops while time moves on as far as the deadline asks. */
  stop(timeoutMs?: number): Promise<void>;
  /** Events of one name. */
  named(name: keyof SchedulerEvents): readonly Seen["event"][];
}

export interface RigOptions extends Omit<SchedulerOptions<never>, "engine" | "clock"> {
  readonly clock?: VirtualClock;
  /** A store to share with another rig. */
  readonly engine?: Engine;
}

/** A virtual clock on which loops poll, as they do on the machine's. */
export class PollingClock extends VirtualClock {
  override readonly patient = false;
}

/** A scheduler over a memory engine of its own, all on one clock; by default one on which loops poll. */
export function rig(options: RigOptions = {}): Rig {
  const { clock = new PollingClock(), engine = memory({ clock }), ...rest } = options;
  return rigOn(engine, clock, rest);
}

/** The same over any engine. */
export function rigOn<Tx>(
  engine: Engine<Tx>,
  clock: VirtualClock,
  options: Omit<SchedulerOptions<Tx>, "engine" | "clock"> = {},
): Rig<Tx> {
  const faulty = new Faulty(engine, clock.monotonic);
  const scheduler = createScheduler<Tx>({ ...options, engine: faulty.engine, clock });
  const seen: Seen[] = [];
  for (const name of eventNames) scheduler.on(name, (event) => seen.push({ name, event: { ...event } }));
  return {
    clock,
    scheduler,
    faulty,
    seen,
    start: async (...roles) => {
      await scheduler.start(roles.length === 0 ? {} : { roles });
      await clock.settle();
    },
    stop: async (timeoutMs = 0) => {
      const stopped = scheduler.stop({ timeout: timeoutMs });
      await clock.advance(timeoutMs);
      await stopped;
    },
    named: (name) => seen.filter((one) => one.name === name).map((one) => one.event),
  };
}

/** A promise that a fact resolves. */
export interface Gate {
  readonly promise: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Rejections that nobody handled while the fact ran. */
export function unhandledRejections(): readonly unknown[] {
  const found: unknown[] = [];
  const listener = (reason: unknown) => found.push(reason);
  process.on("unhandledRejection", listener);
  onTestFinished(() => {
    process.off("unhandledRejection", listener);
  });
  return found;
}

/** What a promise was rejected with; fails when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (settled === undefined) throw new Error("it was not rejected");
  return settled.error;
}
