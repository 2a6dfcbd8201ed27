// The runtime's only source of time and timers; a test hands in another.
import { defaults } from "../core/defaults.ts";

/** Cancels what was set. */
export type Cancel = () => void;

/** Time as loops need it. */
export interface RuntimeClock {
  /** Milliseconds that never go back, for durations and sleeps. */
  monotonic(): number;
  /** The machine's wall clock, in epoch ms; may jump. */
  wall(): number;
  /** Calls back once after so many milliseconds. Never keeps the process alive by itself when `background`. */
  after(ms: number, callback: () => void, background?: boolean): Cancel;
  /** Calls back after other pending work of the event loop had its turn. */
  soon(callback: () => void): void;
  /** Time passes only when a test moves it; with an engine that signals everything nothing is polled for. */
  readonly patient?: boolean;
}

/** Longest delay a timer takes (2^31 - 1 ms); longer ones are taken in parts. */
const timerMsMax = 2_147_483_647;

/** The machine's clock. */
export const systemClock: RuntimeClock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, callback, background = false) => {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const next = leftMs > timerMsMax ? () => arm(leftMs - timerMsMax) : callback;
      timer = setTimeout(next, Math.min(Math.max(0, leftMs), timerMsMax));
      if (background) timer.unref();
    };
    arm(ms);
    return () => clearTimeout(timer);
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function sleep(clock: RuntimeClock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const wake = () => {
      cancel();
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const cancel = clock.after(ms, wake);
    signal?.addEventListener("abort", wake, { once: true });
  });
}

/** O1: 1 s doubling to 30 s with each failure, cut by up to a quarter so that replicas do not return in step. */
export function backoffMs(failures: number, random: number): number {
  const ms = Math.min(defaults.backoffMs * 2 ** Math.min(failures, 10), defaults.backoffMsMax);
  return ms * (1 - random / 4);
}
