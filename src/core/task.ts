// Tasks: a named definition with its policies, which producers can import without the worker's code.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { defaults } from "./defaults.ts";
import { type Duration, parseDuration, shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { refuseUnknown } from "./options.ts";
import { type RetryOptions, type RetryPolicy, resolveRetry } from "./retry.ts";
import type { Keep } from "./settling.ts";
import { checkId } from "./tenant.ts";

/** How long a finished job of a task is kept: an age, or 0 for not at all. Counts per queue apply besides. */
export interface RetentionOptions {
  /** Age at which a completed job goes; 24 h by default, 0 keeps nothing. */
  readonly completed?: Duration;
  /** Age at which a failed or cancelled job goes; no bound by default, 0 keeps nothing. */
  readonly failed?: Duration;
}

/** Policies of a task. */
export interface TaskOptions<Schema extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined> {
  /** Any Standard Schema (zod, valibot, arktype ...): types the input, checked at enqueue and before the handler. */
  readonly schema?: Schema;
  /** "default" by default. */
  readonly queue?: string;
  readonly retry?: RetryOptions;
  /** An attempt that takes longer fails; no limit by default. */
  readonly timeout?: Duration;
  readonly retention?: RetentionOptions;
}

/** A task's policies, resolved once. */
export interface TaskPolicy {
  readonly queue: string;
  readonly retry: RetryPolicy;
  readonly timeoutMs?: number | undefined;
  readonly keepCompleted: Keep;
  readonly keepFailed: Keep;
}

/** A task: `Input` is what producers send, `Parsed` what the handler gets. */
export interface Task<Input = unknown, Parsed = Input> {
  readonly name: string;
  readonly schema: StandardSchemaV1<Input, Parsed> | undefined;
  readonly policy: TaskPolicy;
}

/** The input type of a task. */
export type InputOf<T> = T extends Task<infer Input, infer _Parsed> ? Input : never;

/** A task without a schema: its input is any JSON, typed by the caller if wished. */
export function task<Input = unknown>(name: string, options?: TaskOptions<undefined>): Task<Input>;
/**
 * Defines a task.
 * @throws InvalidInputError naming the option at fault.
 */
export function task<Schema extends StandardSchemaV1>(
  name: string,
  options: TaskOptions<Schema> & { readonly schema: Schema },
): Task<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
export function task(name: string, options: TaskOptions = {}): Task {
  refuseUnknown(options, ["schema", "queue", "retry", "timeout", "retention"], "");
  if (options.schema !== undefined && typeof options.schema["~standard"]?.validate !== "function") {
    throw new InvalidInputError(`schema must be a Standard Schema, got ${shown(options.schema)}`, { field: "schema" });
  }
  return Object.freeze({
    name: checkId(name, "task"),
    schema: options.schema,
    policy: resolvePolicy(options),
  });
}

/** Resolves a task's policies; also used for handlers of any task name. */
export function resolvePolicy(options: Omit<TaskOptions, "schema">): TaskPolicy {
  const retention = options.retention ?? {};
  refuseUnknown(retention, ["completed", "failed"], "retention");
  return Object.freeze({
    queue: checkId(options.queue ?? defaults.queue, "queue"),
    retry: resolveRetry(options.retry),
    timeoutMs: options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout", { minMs: 1 }),
    keepCompleted: keep(retention.completed ?? defaults.completedAgeMsMax, "retention.completed"),
    keepFailed: retention.failed === undefined ? Object.freeze({}) : keep(retention.failed, "retention.failed"),
  });
}

function keep(age: Duration, field: string): Keep {
  const ageMs = parseDuration(age, field);
  return ageMs === 0 ? "nothing" : Object.freeze({ ageMs });
}
