// Guardrails: a tenant's limits. They travel as values with inserts and puts and are enforced in the same step.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { type Duration, formatDuration, parseDuration, shown } from "./duration.ts";
import { InvalidInputError, LimitExceededError } from "./errors.ts";
import { dueInstant, isFinished, type Job, type JobChange, type NewJob } from "./job.ts";
import { DEFAULT_TENANT_GUARDRAILS } from "./minimum-interval.ts";
import { refuseUnknown } from "./options.ts";
import { utf8Bytes } from "./payload.ts";
import { has, isNumber, maybe, type Shape } from "./shape.ts";

/** A tenant's limits; what is absent is unlimited. */
export interface Guardrails {
  /** Schedules at once that tick: enabled, and not at their end. */
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

/** A tenant's own limits, over those that the scheduler gives every tenant: `unlimited` lifts one of these. */
export type TenantGuardrails = { readonly [Name in keyof Guardrails]?: number | "unlimited" | undefined };

/** Every limit there is. */
const guardrailNames = [
  "maxActiveSchedules",
  "minIntervalMs",
  "maxPendingJobs",
  "maxHorizonMs",
  "payloadBytesMax",
] as const satisfies readonly (keyof Guardrails)[];

const isLimit: Shape = (value) => value === "unlimited" || isNumber(value);

/** Whether a stored value is a tenant's own limits. */
export const isGuardrails: Shape = has(
  Object.fromEntries(guardrailNames.map((name) => [name, maybe(isLimit)] as const)),
);

/** The limits that hold for a tenant: its own over the scheduler's, one by one. */
export function effectiveGuardrails(own: TenantGuardrails | undefined, given: Guardrails = {}): Guardrails {
  if (own === undefined) return given;
  const limits = guardrailNames.map((name) => {
    const limit = own[name] ?? given[name];
    return [name, limit === "unlimited" ? undefined : limit] as const;
  });
  return Object.fromEntries(limits.filter(([, limit]) => limit !== undefined));
}

/** A count that would grow past its limit. @param value what the count would become */
export function countLimit(
  limit: "maxActiveSchedules" | "maxPendingJobs",
  guardrails: Guardrails,
  value: number,
): LimitHit | undefined {
  const max = guardrails[limit];
  return max !== undefined && value > max ? { limit, max, value } : undefined;
}

/** An input that is larger than its limit. */
export function inputLimit(input: string, { payloadBytesMax: max }: Guardrails): LimitHit | undefined {
  if (max === undefined) return undefined;
  const value = utf8Bytes(input);
  return value > max ? { limit: "payloadBytesMax", max, value } : undefined;
}

/** An instant that is further ahead than the horizon. */
export function horizonLimit(dueAt: Millis, { maxHorizonMs: max }: Guardrails, now: Millis): LimitHit | undefined {
  const value = dueAt - now;
  return max !== undefined && value > max ? { limit: "maxHorizonMs", max, value } : undefined;
}

/** Guardrails as users write them. */
export interface GuardrailOptions {
  readonly maxActiveSchedules?: number;
  /** 1 s or more, as no rule ticks more often. */
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
  if (guardrails === undefined) return undefined;
  return horizonLimit(dueInstant(job.due, now), guardrails, now) ?? inputLimit(job.input, guardrails);
}

/** The limit that a change to a job runs into. @param countUnfinished the tenant's pending and active jobs now */
export function changeLimit(
  job: Job,
  wish: JobChange,
  guardrails: Guardrails,
  now: Millis,
  countUnfinished: () => number,
): LimitHit | undefined {
  switch (wish.kind) {
    case "retry":
      return !isFinished(job.state) || guardrails.maxPendingJobs === undefined
        ? undefined
        : countLimit("maxPendingJobs", guardrails, countUnfinished() + 1);
    case "reschedule":
      return horizonLimit(dueInstant(wish.due, now), guardrails, now);
    case "update":
      return inputLimit(wish.input, guardrails);
    case "cancel":
      return undefined;
  }
}

/** A tenant's own limits as users write them: `"unlimited"` lifts the scheduler's, `null` is back to it. */
export type TenantGuardrailOptions = {
  readonly [Name in keyof GuardrailOptions]?: GuardrailOptions[Name] | "unlimited" | null;
};

/** The limit that each option sets, and how its value is read. */
const options = {
  maxActiveSchedules: ["maxActiveSchedules", checkCount],
  minInterval: ["minIntervalMs", checkInterval],
  maxPendingJobs: ["maxPendingJobs", checkCount],
  maxHorizon: ["maxHorizonMs", parseDuration],
  payloadBytesMax: ["payloadBytesMax", checkCount],
} as const satisfies Record<
  keyof GuardrailOptions,
  readonly [keyof Guardrails, (value: unknown, field: string) => number]
>;

const optionNames = Object.keys(options) as readonly (keyof GuardrailOptions)[];

/** @throws InvalidInputError naming the option at fault. */
export function resolveGuardrails(given: GuardrailOptions, field = "guardrails"): Guardrails {
  refusePreset(given, field);
  refuseUnknown(given, optionNames, field);
  return Object.freeze(read(given, field, (value, readLimit) => readLimit(value)));
}

/** A change to a tenant's own limits. @throws InvalidInputError naming the option at fault. */
export function resolveTenantGuardrails(
  given: TenantGuardrailOptions,
  field = "guardrails",
): { readonly [Name in keyof Guardrails]?: number | "unlimited" | null } {
  refusePreset(given, field);
  refuseUnknown(given, optionNames, field, optionNames);
  return read(given, field, (value, readLimit) => (value === null || value === "unlimited" ? value : readLimit(value)));
}

function read<Limit>(
  given: Readonly<Partial<Record<keyof GuardrailOptions, unknown>>>,
  field: string,
  resolve: (value: unknown, readLimit: (value: unknown) => number) => Limit,
): { readonly [Name in keyof Guardrails]?: Limit } {
  const limits: { -readonly [Name in keyof Guardrails]?: Limit } = {};
  for (const name of optionNames) {
    if (given[name] === undefined) continue;
    const [limit, readLimit] = options[name];
    limits[limit] = resolve(given[name], (value) => readLimit(value, `${field}.${name}`));
  }
  return limits;
}

/** The preset for `ensureMinimumInterval` has other names than the options, and the obvious slip is to pass it. */
function refusePreset(given: unknown, field: string): void {
  if (typeof given !== "object" || given === null) return;
  const name = Object.keys(DEFAULT_TENANT_GUARDRAILS).find((one) => Object.hasOwn(given, one));
  if (name === undefined) return;
  throw new InvalidInputError(`${field}.${name} is not an option; known are ${optionNames.join(", ")}`, {
    field: `${field}.${name}`,
    mend: "Pass standardGuardrails, which sets the same limits; DEFAULT_TENANT_GUARDRAILS is for ensureMinimumInterval.",
  });
}

/** A smaller one would hold nothing back: it is a number that was meant in other units. */
function checkInterval(value: unknown, field: string): number {
  const ms = parseDuration(value, field);
  if (ms >= defaults.everyMsMin) return ms;
  const unit = typeof value === "number" ? " ms" : "";
  throw new InvalidInputError(
    `${field} must be ${formatDuration(defaults.everyMsMin)} or more, got ${shown(value)}${unit}`,
    {
      field,
      mend: 'No rule ticks more often than once a second. Numbers are milliseconds: write "5m" for five minutes.',
    },
  );
}

function checkCount(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new InvalidInputError(`${field} must be a whole number of 0 or more, got ${shown(value)}`, { field });
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
