// What the clients of one scheduler share, and the tenant that a call is about.

import { shown } from "../core/duration.ts";
import type { Engine } from "../core/engine.ts";
import { hasCode, InvalidInputError, isPunctualError, OutcomeUnknownError } from "../core/errors.ts";
import type { Guardrails } from "../core/guardrails.ts";
import type { Entropy } from "../core/id.ts";
import type { Task } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import { type RuntimeClock, sleep } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import type { Inserts } from "./inserts.ts";

/** What the clients of one scheduler share. */
export interface ClientHost {
  /** The engine, opened by the first call. */
  engine(): Promise<Pick<Engine<never>, "jobs" | "schedules" | "queues" | "tenants" | "now" | "events" | "watch">>;
  /** Collects concurrent inserts; absent inside a caller's transaction. */
  readonly inserts: Pick<Inserts, "add"> | undefined;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly entropy: () => Entropy;
  /** The store's now, as estimated. */
  now(): number;
  /** The task of that name, when this process has its handler. */
  knownTask(name: string): Task | undefined;
  readonly guardrails: Guardrails | undefined;
  readonly payloadBytesMax: number;
  readonly clock: RuntimeClock;
  /** The version of this process's time zone data, where it is known. */
  readonly zoneData: string | undefined;
  /** Set on a tenant handle. */
  readonly tenant: string | undefined;
}

/** The tenant a call is about: a handle's own, or the one asked for. @throws InvalidInputError for another's */
export function boundTenant(
  bound: string | undefined,
  asked: string | undefined,
  field = "tenant",
): string | undefined {
  if (asked === undefined) return bound;
  const checked = checkId(asked, field);
  if (bound !== undefined && bound !== checked) {
    throw new InvalidInputError(`${field} must be ${bound}: this handle is bound to it, got ${shown(asked)}`, {
      field,
    });
  }
  return checked;
}

/** A task given as such or by name: its name, and the task itself when this process knows it. */
export function resolveTask(
  host: ClientHost,
  given: Task | string,
  field: string,
): { readonly name: string; readonly known: Task | undefined } {
  if (typeof given === "string") return { name: checkId(given, field), known: host.knownTask(given) };
  const made: unknown = given;
  if (typeof made === "object" && made !== null && "policy" in made && "name" in made) {
    return { name: checkId(made.name, field), known: given };
  }
  throw new InvalidInputError(`${field} must be a task or its name, got ${shown(given)}`, { field });
}

/** Pauses before a call whose outcome is unknown is made again, in ms. */
const repeatAfterMs: readonly number[] = [100, 1_000];

/**
 * Makes a call again, the very same one, while its outcome is unknown: its ids make it find what it wrote (J15). That a
 * later try wrote nothing says nothing of the first: from then on, only an answer or a refusal ends the call.
 * @throws OutcomeUnknownError with `details.ids` when the store stays away
 */
export async function repeatUnknown<T>(host: ClientHost, ids: readonly string[], call: () => Promise<T>): Promise<T> {
  let unknown: Error | undefined;
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (hasCode(error, "OUTCOME_UNKNOWN")) unknown = error;
      if (unknown === undefined || isRefusal(error)) throw error;
      const pauseMs = repeatAfterMs[tries];
      if (pauseMs === undefined) throw new OutcomeUnknownError(unknown.message, { details: { ids }, cause: error });
      await sleep(host.clock, pauseMs);
    }
  }
}

/** Whether the store has looked at the call and said no. */
function isRefusal(error: unknown): boolean {
  return isPunctualError(error) && error.status < 500;
}

/** A text that a listing is filtered by. @throws InvalidInputError */
export function checkName(value: unknown, field: string): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw new InvalidInputError(`${field} must be a text, got ${shown(value)}`, { field });
}
