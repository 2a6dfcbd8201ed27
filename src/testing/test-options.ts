// The options of `testScheduler`, checked, and what of them is the scheduler's own.
import { type Duration, shown } from "../core/duration.ts";
import type { Engine } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { GuardrailOptions } from "../core/guardrails.ts";
import type { ErrorRecord } from "../core/job.ts";
import { refuseUnknown } from "../core/options.ts";
import type { Task } from "../core/task.ts";
import type { Handler } from "../runtime/handler.ts";
import type { ScheduleSource } from "../runtime/schedule-source.ts";
import type { Role, WorkerSettings } from "../runtime/scheduler-options.ts";
import type { KitClock } from "./kit-clock.ts";
import type { TestInstant } from "./local-time.ts";

/**
 * When jobs run. `auto`: by themselves, as in production, whenever time moves or settles. `inline`: what is due runs
 * before its enqueue resolves, and a handler that throws rejects it. `manual`: when the test says so.
 */
export type TestMode = "auto" | "inline" | "manual";

/** Makes an engine on the test's clock: `(clock) => sqlite(":memory:", { clock })`. */
export type EngineOn<Tx> = (clock: KitClock) => Engine<Tx>;

/** Options of `testScheduler`. */
export interface TestSchedulerOptions {
  readonly handlers?: readonly Handler[];
  /** Schedules that live in a table; loaded when the scheduler starts, and each minute as the clock moves. */
  readonly sources?: readonly ScheduleSource[];
  /** "auto" by default. */
  readonly mode?: TestMode;
  /** The first instant; 2026-01-01T00:00:00Z by default. */
  readonly startAt?: TestInstant;
  /** The zone in which the test's local times ("2026-03-29T09:00") are read and shown; UTC by default. */
  readonly timezone?: string;
  readonly worker?: WorkerSettings;
  readonly guardrails?: GuardrailOptions;
  readonly payloadBytesMax?: number;
  readonly redact?: (error: ErrorRecord) => ErrorRecord;
  /** Worker and ticker by default: without the janitor every job stays to be looked at. */
  readonly roles?: readonly Role[];
  /** Ids and random pauses follow from it; 1 by default. */
  readonly seed?: number;
  /** Real time that a handler gets to wait for real I/O before the clock moves on without it; 250 ms by default. */
  readonly ioWait?: Duration;
  /**
   * So many jobs may run at one instant of the clock, 10,000 by default; then settle, advance and an inline enqueue
   * reject, for a handler that enqueues its own task without a delay never ends. `drain` has a bound of its own.
   */
  readonly jobsPerInstantMax?: number;
}

const known: readonly string[] = [
  ...["handlers", "sources", "mode", "startAt", "timezone", "worker", "guardrails", "payloadBytesMax", "redact"],
  ...["roles", "seed", "ioWait", "jobsPerInstantMax"],
];

function checkMode(mode: unknown): TestMode {
  if (mode === "auto" || mode === "inline" || mode === "manual") return mode;
  throw new InvalidInputError(`mode must be auto, inline or manual, got ${shown(mode)}`, { field: "mode" });
}

function checkSeed(seed: unknown): number {
  if (Number.isInteger(seed)) return seed as number;
  throw new InvalidInputError(`seed must be a whole number, got ${shown(seed)}`, { field: "seed" });
}

function checkJobsMax(max: unknown): number {
  if (max === Number.POSITIVE_INFINITY || (Number.isInteger(max) && (max as number) >= 1)) return max as number;
  const message = `jobsPerInstantMax must be a whole number of 1 or more, got ${shown(max)}`;
  throw new InvalidInputError(message, { field: "jobsPerInstantMax" });
}

/** Which attempts are met. */
export function aim<Input>(
  target: Task<Input, unknown> | string,
  { times = 1, after = 0 }: { readonly times?: number; readonly after?: number },
) {
  for (const [name, value] of Object.entries({ times, after })) {
    if (value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && value >= 0)) continue;
    throw new InvalidInputError(`${name} must be a whole number of 0 or more, got ${shown(value)}`, { field: name });
  }
  return { target: typeof target === "string" ? target : target.name, times, after };
}

/** @throws InvalidInputError naming the option at fault */
export function checkTestOptions(options: TestSchedulerOptions) {
  refuseUnknown(options, known, "");
  const { guardrails, payloadBytesMax, redact, handlers = [], sources = [], roles, worker = {} } = options;
  return {
    mode: checkMode(options.mode ?? "auto"),
    seed: checkSeed(options.seed ?? 1),
    startAt: options.startAt ?? "2026-01-01T00:00:00Z",
    timezone: options.timezone ?? "UTC",
    ioWait: options.ioWait ?? "250ms",
    jobsPerInstantMax: checkJobsMax(options.jobsPerInstantMax ?? 10_000),
    roles: roles ?? (handlers.length === 0 ? (["ticker"] as const) : (["worker", "ticker"] as const)),
    /** What is handed on as it is. */
    own: {
      handlers,
      sources,
      // What is no object is for the scheduler to refuse.
      worker: typeof worker === "object" ? { name: "test-worker", ...worker } : worker,
      ...(guardrails === undefined ? {} : { guardrails }),
      ...(payloadBytesMax === undefined ? {} : { payloadBytesMax }),
      ...(redact === undefined ? {} : { redact }),
    },
  };
}
