// Signals: hints between processes that something is due sooner than expected. Polling alone is correct too.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import type { JobId } from "./id.ts";

/**
 * `wake`: jobs of a queue are due at an instant. `tick`: a schedule is. `cancel`: a job is asked to stop.
 * `changed`: look at everything.
 */
export type Signal =
  | { readonly kind: "wake"; readonly queue: string; readonly dueAt: Millis }
  | { readonly kind: "tick"; readonly dueAt: Millis }
  | { readonly kind: "cancel"; readonly id: JobId }
  | { readonly kind: "changed" };

/** T6: what is due beyond the poll horizon wakes nobody, as every loop looks again before then. */
export function isWorthSending(signal: Signal, now: Millis): boolean {
  return !("dueAt" in signal) || signal.dueAt <= now + defaults.pollHorizonMs;
}
