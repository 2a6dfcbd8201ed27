// Retry curves: how long a job waits after its n-th failure.
import { defaults } from "./defaults.ts";
import { type Duration, parseDuration, shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { refuseUnknown } from "./options.ts";

/** A curve as users write it. */
export interface Backoff {
  readonly type: "exponential" | "linear" | "fixed";
  /** Wait after the first failure; 1 s by default. */
  readonly delay?: Duration;
  /** No wait is longer; 1 h by default. */
  readonly max?: Duration;
  /** Spread within ± this share of the delay, 0 to 1, applied before the cap; 0 by default. */
  readonly jitter?: number;
}

/** What a custom curve is told. */
export interface RetryContext {
  /** Failures so far, this one included: 1 after the first. */
  readonly failures: number;
  readonly error: unknown;
}

/** A custom curve: the wait, or `false` to fail now. One that throws ends the job as failed with both errors kept. */
export type BackoffFunction = (context: RetryContext) => Duration | false;

/** How a task is retried. */
export interface RetryOptions {
  /** Attempts in all, at least 1; 3 by default. */
  readonly attempts?: number;
  readonly backoff?: Backoff | BackoffFunction;
}

/** A complete, checked retry policy. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly backoff: ResolvedBackoff | BackoffFunction;
}

/** A curve in milliseconds. */
export interface ResolvedBackoff {
  readonly type: Backoff["type"];
  readonly delayMs: number;
  readonly maxMs: number;
  readonly jitter: number;
}

/** @throws InvalidInputError naming the option at fault. */
export function resolveRetry(options: RetryOptions = {}, field = "retry"): RetryPolicy {
  refuseUnknown(options, ["attempts", "backoff"], field);
  const attempts = checkAttempts(options.attempts ?? defaults.attempts, `${field}.attempts`);
  const { backoff = { type: "exponential" } } = options;
  if (typeof backoff === "function") return Object.freeze({ attempts, backoff });
  refuseUnknown(backoff, ["type", "delay", "max", "jitter"], `${field}.backoff`);
  if (!["exponential", "linear", "fixed"].includes(backoff.type)) {
    throw new InvalidInputError(
      `${field}.backoff.type must be exponential, linear, fixed or a function, got ${shown(backoff.type)}`,
      { field: `${field}.backoff.type` },
    );
  }
  const jitter = backoff.jitter ?? 0;
  if (typeof jitter !== "number" || !(jitter >= 0 && jitter <= 1)) {
    throw new InvalidInputError(`${field}.backoff.jitter must be 0 to 1, got ${shown(jitter)}`, {
      field: `${field}.backoff.jitter`,
    });
  }
  return Object.freeze({
    attempts,
    backoff: Object.freeze({
      type: backoff.type,
      delayMs: parseDuration(backoff.delay ?? defaults.retryDelayMs, `${field}.backoff.delay`),
      maxMs: parseDuration(backoff.max ?? defaults.retryDelayMsMax, `${field}.backoff.max`),
      jitter,
    }),
  });
}

/** @throws InvalidInputError when it is not a whole number from 1 to 10,000. */
export function checkAttempts(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  throw new InvalidInputError(`${field} must be a whole number from 1 to 10,000, got ${shown(value)}`, { field });
}

/**
 * The wait in milliseconds after the n-th failure: exponential `delay * 2^(n-1)`, linear `delay * n`, fixed `delay`;
 * jitter multiplies within ±, then the cap applies.
 * @param random 0 ≤ random < 1, drawn by the caller.
 */
export function retryDelayMs(backoff: ResolvedBackoff, failures: number, random: number): number {
  const { type, delayMs, maxMs, jitter } = backoff;
  const base =
    type === "exponential"
      ? delayMs * 2 ** Math.min(failures - 1, 60)
      : type === "linear"
        ? delayMs * failures
        : delayMs;
  return Math.min(maxMs, Math.round(base * (1 + jitter * (2 * random - 1))));
}
