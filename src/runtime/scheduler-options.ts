// The options of a scheduler: what they are, and that they are what they should be.
import { type Duration, shown } from "../core/duration.ts";
import type { Engine } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { GuardrailOptions } from "../core/guardrails.ts";
import type { ErrorRecord } from "../core/job.ts";
import { refuseUnknown } from "../core/options.ts";
import { checkId } from "../core/tenant.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Handler } from "./handler.ts";
import type { ScheduleSource } from "./schedule-source.ts";

/** What a process does: run jobs, fire ticks, purge. */
export type Role = "worker" | "ticker" | "janitor";

/** Options of the worker role. */
export interface WorkerSettings {
  /** Jobs run at once; 5 by default. */
  readonly concurrency?: number;
  /** Takes jobs of these queues only; those of its handlers' tasks by default. */
  readonly queues?: readonly string[];
  /** A lease; 30 s by default. A killed worker's jobs run again when it ends. */
  readonly lease?: Duration;
  /** Names this worker in records; made up by default. */
  readonly name?: string;
}

/** Options of `createScheduler`. */
export interface SchedulerOptions<Tx> {
  /** Where everything is stored: `sqlite("./punctual.db")`, `memory()`, ... */
  readonly engine: Engine<Tx>;
  readonly handlers?: readonly Handler[];
  /** Schedules that live in the user's own tables; the ticker role runs them. */
  readonly sources?: readonly ScheduleSource[];
  readonly worker?: WorkerSettings;
  /** Limits of every tenant. */
  readonly guardrails?: GuardrailOptions;
  /** Largest input in bytes of JSON; 512 KiB by default. */
  readonly payloadBytesMax?: number;
  /** Takes secrets out of errors before they are stored. */
  readonly redact?: (error: ErrorRecord) => ErrorRecord;
  /** Version of the runtime's time zone data, such as "2026c"; what Node says by default. For runtimes that do not say. */
  readonly zoneData?: string;
  /** Another source of time and timers, for tests. */
  readonly clock?: RuntimeClock;
  /** Another source of randomness, 0 ≤ random < 1, for tests: ids, tokens and pauses follow from it. */
  readonly random?: () => number;
}

/** @throws InvalidInputError */
export function checkRoles(roles: readonly Role[]): ReadonlySet<Role> {
  const known: readonly string[] = ["worker", "ticker", "janitor"];
  for (const role of roles) {
    if (!known.includes(role)) {
      throw new InvalidInputError(`roles must be of ${known.join(", ")}, got ${shown(role)}`, { field: "roles" });
    }
  }
  if (roles.length === 0) throw new InvalidInputError("roles must name at least one", { field: "roles" });
  return new Set(roles);
}

/** @throws InvalidInputError naming the option at fault */
export function checkOptions<Tx>(options: SchedulerOptions<Tx>): SchedulerOptions<Tx> {
  refuseUnknown(
    options,
    [
      "engine",
      "handlers",
      "sources",
      "worker",
      "guardrails",
      "payloadBytesMax",
      "redact",
      "zoneData",
      "clock",
      "random",
    ],
    "",
  );
  const { engine, handlers = [], worker = {}, payloadBytesMax } = options;
  if (typeof engine?.jobs?.claim !== "function") {
    throw new InvalidInputError(`engine must be one, such as sqlite("./punctual.db"), got ${shown(engine)}`, {
      field: "engine",
    });
  }
  checkHandlers(handlers);
  refuseUnknown(worker, ["concurrency", "queues", "lease", "name"], "worker");
  const { concurrency } = worker;
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 10_000)) {
    throw new InvalidInputError(
      `worker.concurrency must be a whole number from 1 to 10,000, got ${shown(concurrency)}`,
      {
        field: "worker.concurrency",
      },
    );
  }
  if (worker.queues !== undefined && !Array.isArray(worker.queues)) {
    throw new InvalidInputError(`worker.queues must be an array, got ${shown(worker.queues)}`, {
      field: "worker.queues",
    });
  }
  if (worker.queues?.length === 0) {
    throw new InvalidInputError("worker.queues must name at least one queue, or be left out", {
      field: "worker.queues",
    });
  }
  for (const queue of worker.queues ?? []) checkId(queue, "worker.queues");
  if (worker.name !== undefined) checkId(worker.name, "worker.name");
  if (options.redact !== undefined && typeof options.redact !== "function") {
    throw new InvalidInputError(`redact must be a function, got ${shown(options.redact)}`, { field: "redact" });
  }
  if (options.zoneData !== undefined && !/^\d{4}[a-z]+$/.test(options.zoneData)) {
    throw new InvalidInputError(`zoneData must be a version such as "2026c", got ${shown(options.zoneData)}`, {
      field: "zoneData",
    });
  }
  if (payloadBytesMax !== undefined && !(Number.isInteger(payloadBytesMax) && payloadBytesMax >= 1)) {
    throw new InvalidInputError(`payloadBytesMax must be a whole number of bytes, got ${shown(payloadBytesMax)}`, {
      field: "payloadBytesMax",
    });
  }
  return Object.freeze({ ...options });
}

/** @throws InvalidInputError naming the handler at fault */
export function checkHandlers(handlers: unknown): void {
  if (!Array.isArray(handlers)) {
    throw new InvalidInputError(`handlers must be an array, got ${shown(handlers)}`, { field: "handlers" });
  }
  for (const [index, handler] of (handlers as readonly unknown[]).entries()) {
    const made = typeof handler === "object" && handler !== null && "run" in handler && "policy" in handler;
    if (made && typeof handler.run === "function") continue;
    throw new InvalidInputError(`handlers[${index}] must come from handle(task, fn), got ${shown(handler)}`, {
      field: `handlers[${index}]`,
    });
  }
}
