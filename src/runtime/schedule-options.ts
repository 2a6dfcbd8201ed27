// The options of a schedule, and the definition they resolve to.
import { defaults } from "../core/defaults.ts";
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { checkInstant } from "../core/instant.ts";
import { refuseUnknown } from "../core/options.ts";
import { encodePayload } from "../core/payload.ts";
import { checkAttempts } from "../core/retry.ts";
import { checkRule, type Rule } from "../core/rule.ts";
import type { CatchUp, CatchUpPolicy, OverlapPolicy, ScheduleDefinition, ScheduleRef } from "../core/schedule.ts";
import type { Task } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import { nextTick, seedOf, type TickContext } from "../core/tick.ts";
import { zoneRulesOf } from "../core/zone-rules.ts";
import { type ClientHost, resolveTask } from "./client-host.ts";
import { checkPriority, type Priority } from "./enqueue-options.ts";
import { validateInput } from "./validate-input.ts";

/** A schedule as users define it; its input is that of its task, and may be left out where the task needs none. */
export type ScheduleOptions<Input = unknown> = ScheduleSettings & {
  readonly task: Task<Input, unknown> | string;
} & (undefined extends Input ? { readonly input?: NoInfer<Input> } : { readonly input: NoInfer<Input> });

/** All of a schedule but its task and input. */
interface ScheduleSettings {
  /** cron(), every(), everyCalendar(), once(), union() or except(). */
  readonly when: Rule;
  readonly tenant?: string;
  readonly queue?: string;
  readonly priority?: Priority;
  readonly attempts?: number;
  /** One steady offset per schedule in [0, jitter), never past the next tick; 0 by default. */
  readonly jitter?: Duration;
  /** While a job of this schedule is unfinished: `skip` (default), `allow`, `queue` one tick, `replace` it. */
  readonly overlap?: OverlapPolicy;
  /** Ticks noticed late: `latest` (default), `skip`, `all`; the long form bounds their age and number. */
  readonly catchUp?:
    | CatchUpPolicy
    | { readonly policy: CatchUpPolicy; readonly window?: Duration; readonly limit?: number };
  readonly startAt?: Date | string;
  /** Inclusive. */
  readonly endAt?: Date | string;
  readonly maxTicks?: number;
  /** Disabled after so many failed jobs in a row. */
  readonly pauseOnFailure?: number;
  /** A label; may repeat. */
  readonly name?: string;
  readonly metadata?: unknown;
}

/** The names of the options. */
export const scheduleOptions = [
  "task",
  "input",
  "when",
  "tenant",
  "queue",
  "priority",
  "attempts",
  "jitter",
  "overlap",
  "catchUp",
  "startAt",
  "endAt",
  "maxTicks",
  "pauseOnFailure",
  "name",
  "metadata",
] as const;

/**
 * A schedule's definition, resolved and checked.
 * @param path spells an option as the caller did
 * @throws InvalidInputError and its kin
 */
export async function defineSchedule(
  host: ClientHost,
  options: ScheduleOptions,
  path: (name: string) => string,
): Promise<ScheduleDefinition> {
  const { input } = options;
  const { name, known } = resolveTask(host, options.task, path("task"));
  await validateInput(known, input);
  const rule = checkRule(options.when, path("when"));
  const startAt = options.startAt === undefined ? undefined : checkInstant(options.startAt, path("startAt"));
  const endAt = options.endAt === undefined ? undefined : checkInstant(options.endAt, path("endAt"));
  checkSpan(startAt, endAt, path);
  const definition: ScheduleDefinition = {
    rule,
    task: name,
    queue: checkId(options.queue ?? known?.policy.queue ?? defaults.queue, path("queue")),
    input: encodePayload(input, path("input"), host.payloadBytesMax),
    priority: checkPriority(options.priority ?? "normal", path("priority")),
    attemptsMax: options.attempts === undefined ? undefined : checkAttempts(options.attempts, path("attempts")),
    jitterMs: options.jitter === undefined ? 0 : parseDuration(options.jitter, path("jitter")),
    overlap: checkOverlap(options.overlap ?? defaults.overlap, path("overlap")),
    catchUp: checkCatchUp(options.catchUp ?? defaults.catchUp, path("catchUp")),
    startAt,
    endAt,
    maxTicks: checkPositive(options.maxTicks, path("maxTicks")),
    pauseOnFailure: checkPositive(options.pauseOnFailure, path("pauseOnFailure")),
    name: options.name === undefined ? undefined : checkLabel(options.name, path("name")),
    metadata:
      options.metadata === undefined
        ? undefined
        : encodePayload(options.metadata, path("metadata"), defaults.metadataBytesMax),
  };
  // Read here, so that no store holds a lock meanwhile.
  zoneRulesOf(definition.rule, undefined);
  return definition;
}

function checkSpan(startAt: number | undefined, endAt: number | undefined, path: (name: string) => string): void {
  if (startAt === undefined || endAt === undefined || endAt >= startAt) return;
  throw new InvalidInputError(`${path("endAt")} must not be before ${path("startAt")}`, { field: path("endAt") });
}

/** Whether a definition ticks after now; a single instant of the past does, at once. */
export function ticksAgain(
  host: ClientHost,
  { rule, startAt, endAt }: Pick<ScheduleDefinition, "rule" | "startAt" | "endAt">,
  ref: ScheduleRef,
): boolean {
  if (rule.kind === "once") return true;
  const now = Math.round(host.now());
  const tick = nextTick(rule, startAt === undefined ? now : Math.max(now, startAt - 1), contextOf(host, ref));
  return tick !== undefined && (endAt === undefined || tick <= endAt);
}

/** The refusal of a rule that can never tick: found out now, not by silence. */
export function neverTicks(field: string): InvalidInputError {
  return new InvalidInputError(`${field} has no tick to come`, { field });
}

function contextOf(host: ClientHost, ref: ScheduleRef): TickContext {
  return { seed: seedOf(ref.tenant, ref.id), ruleSetAt: Math.round(host.now()) };
}

/** A stored definition with some options given anew: only those are taken from the fresh one. */
export async function mergeDefinition(
  host: ClientHost,
  ref: ScheduleRef,
  stored: ScheduleDefinition,
  changes: Partial<ScheduleOptions>,
): Promise<ScheduleDefinition> {
  const whole: ScheduleOptions = {
    task: stored.task,
    input: JSON.parse(stored.input) as unknown,
    when: stored.rule,
    queue: stored.queue,
    ...changes,
  };
  const fresh = await defineSchedule(host, whole, (name) => name);
  const taken: Partial<Record<keyof ScheduleDefinition, unknown>> = {
    rule: fresh.rule,
    task: fresh.task,
    queue: fresh.queue,
    input: fresh.input,
  };
  for (const [option, name] of mergedNames) if (Object.hasOwn(changes, option)) taken[name] = fresh[name];
  const merged = { ...stored, ...taken } as ScheduleDefinition;
  checkSpan(merged.startAt, merged.endAt, (name) => name);
  const retimed = (["when", "startAt", "endAt"] as const).find((name) => changes[name] !== undefined);
  if (retimed !== undefined && !ticksAgain(host, merged, ref)) throw neverTicks(retimed);
  return merged;
}

const mergedNames: readonly (readonly [keyof ScheduleOptions, keyof ScheduleDefinition])[] = [
  ["priority", "priority"],
  ["attempts", "attemptsMax"],
  ["jitter", "jitterMs"],
  ["overlap", "overlap"],
  ["catchUp", "catchUp"],
  ["startAt", "startAt"],
  ["endAt", "endAt"],
  ["maxTicks", "maxTicks"],
  ["pauseOnFailure", "pauseOnFailure"],
  ["name", "name"],
  ["metadata", "metadata"],
];

function checkCatchUp(value: NonNullable<ScheduleOptions["catchUp"]>, field: string): CatchUp {
  const options = typeof value === "string" ? { policy: value } : value;
  refuseUnknown(options, ["policy", "window", "limit"], field);
  const policy = checkOneOf(options.policy, ["skip", "latest", "all"], `${field}.policy`);
  const windowMs =
    options.window === undefined
      ? policy === "all"
        ? undefined
        : defaults.catchUpWindowMs
      : parseDuration(options.window, `${field}.window`);
  return { policy, windowMs, limit: checkPositive(options.limit, `${field}.limit`) ?? defaults.catchUpLimit };
}

/** @throws InvalidInputError */
export function checkOverlap(value: unknown, field: string): OverlapPolicy {
  return checkOneOf(value, ["allow", "skip", "queue", "replace"], field);
}

function checkOneOf<V extends string>(value: unknown, values: readonly V[], field: string): V {
  const found = values.find((known) => known === value);
  if (found !== undefined) return found;
  throw new InvalidInputError(`${field} must be ${values.join(", ")}, got ${shown(value)}`, { field });
}

function checkPositive(value: unknown, field: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidInputError(`${field} must be a whole number of 1 or more, got ${shown(value)}`, { field });
}

function checkLabel(value: unknown, field: string): string {
  if (typeof value === "string" && value.length >= 1 && value.length <= 200) return value;
  throw new InvalidInputError(`${field} must be a text of 1 to 200 characters, got ${shown(value)}`, { field });
}
