// Guardrails: a tenant's limits. They travel as values with inserts and puts and are enforced in the same step.
import type { Millis } from "./clock.ts";
import { type Duration, formatDuration, parseDuration, shown } from "./duration.ts";
import { InvalidInputError, LimitExceededError } from "./errors.ts";
import { dueInstant, type NewJob } from "./job.ts";
import { refuseUnknown } from "./options.ts";
import { utf8Bytes } from "./payload.ts";

/** A tenant's limits; what is absent is unlimited. */
export interface Guardrails {
  /** Enabled schedules at once. */
  readonly maxActiveSchedules?: number | undefined;
  /** Smallest gap between two ticks of a rule, over its whole cycle, in ms. */
  readonly minIntervalMs?: number | undefined;
  /** Pending and active jobs at once. */
  readonly maxPendingJobs?: number | undefined;
  /** How far ahead a job may be due, in ms. */
  readonly maxHorizonMs?: number | undefined;
  /** Bytes of an input. */
  readonly payloadBytesMax?: number | undefined;
}

/** Guardrails as users write them. */
export interface GuardrailOptions {
  readonly maxActiveSchedules?: number;
  readonly minInterval?: Duration;
  readonly maxPendingJobs?: number;
  readonly maxHorizon?: Duration;
  readonly payloadBytesMax?: number;
}

/** The preset of N2: 20 schedules, 5 minutes apart. */
export const standardGuardrails: GuardrailOptions = Object.freeze({ maxActiveSchedules: 20, minInterval: "5m" });

/** A limit that an insert or a put ran into; the engine answers with it, the client throws it. */
export interface LimitHit {
  readonly limit: keyof Guardrails;
  readonly max: number;
  /** What the count would have become. */
  readonly value: number;
}

/** The limits that a job can be held against by itself; counts are the store's business. */
export function shapeLimit(
  job: Pick<NewJob, "due" | "input">,
  guardrails: Guardrails | undefined,
  now: Millis,
): LimitHit | undefined {
  const { maxHorizonMs, payloadBytesMax } = guardrails ?? {};
  const aheadMs = dueInstant(job.due, now) - now;
  if (maxHorizonMs !== undefined && aheadMs > maxHorizonMs) {
    return { limit: "maxHorizonMs", max: maxHorizonMs, value: aheadMs };
  }
  if (payloadBytesMax === undefined) return undefined;
  const bytes = utf8Bytes(job.input);
  return bytes > payloadBytesMax ? { limit: "payloadBytesMax", max: payloadBytesMax, value: bytes } : undefined;
}

/** @throws InvalidInputError naming the option at fault. */
export function resolveGuardrails(options: GuardrailOptions, field = "guardrails"): Guardrails {
  refuseUnknown(
    options,
    ["maxActiveSchedules", "minInterval", "maxPendingJobs", "maxHorizon", "payloadBytesMax"],
    field,
  );
  const count = (name: "maxActiveSchedules" | "maxPendingJobs" | "payloadBytesMax") => {
    const value = options[name];
    if (value === undefined) return {};
    if (!Number.isInteger(value) || value < 0) {
      throw new InvalidInputError(`${field}.${name} must be a whole number of 0 or more, got ${shown(value)}`, {
        field: `${field}.${name}`,
      });
    }
    return { [name]: value };
  };
  return Object.freeze({
    ...count("maxActiveSchedules"),
    ...count("maxPendingJobs"),
    ...count("payloadBytesMax"),
    ...(options.minInterval === undefined
      ? {}
      : { minIntervalMs: parseDuration(options.minInterval, `${field}.minInterval`) }),
    ...(options.maxHorizon === undefined
      ? {}
      : { maxHorizonMs: parseDuration(options.maxHorizon, `${field}.maxHorizon`) }),
  });
}

/** The error for a limit that was hit. */
export function limitError({ limit, max, value }: LimitHit, tenant: string): LimitExceededError {
  const inTime = limit === "minIntervalMs" || limit === "maxHorizonMs";
  const text = (amount: number) => (inTime ? formatDuration(amount) : String(amount));
  return new LimitExceededError(`tenant ${tenant}: ${limit} is ${text(max)}, this would make it ${text(value)}`, {
    field: limit,
    details: { limit, max, value, tenant },
  });
}
