// Which jobs a test means, and how one differs from them.
import { type Duration, parseDuration } from "../core/duration.ts";
import type { ShownState } from "../core/job.ts";
import { refuseUnknown } from "../core/options.ts";
import type { JobView } from "../runtime/views.ts";
import { difference, json, type Likeness } from "./likeness.ts";
import type { LocalTime, TestInstant } from "./local-time.ts";

/** What a job must be like; what is left out may be anything. */
export interface JobMatch<Input = unknown> {
  /** Members of the input that must be so, at any depth; or a function that says whether it is right. */
  readonly input?: Likeness<Input> | ((input: Input) => boolean);
  readonly tenant?: string;
  readonly queue?: string;
  readonly key?: string;
  /** The schedule whose tick made it. */
  readonly schedule?: string;
  /** One of these states. */
  readonly state?: ShownState | readonly ShownState[];
  /** Due at this very instant. */
  readonly dueAt?: TestInstant;
  /** Due so long from now. */
  readonly dueIn?: Duration;
  readonly metadata?: unknown;
  /** Like `input`, for what the handler returned. */
  readonly output?: unknown;
  /** How often it was claimed. */
  readonly attempt?: number;
  /** A part of why it failed, was cancelled or is retried. */
  readonly reason?: string | RegExp;
}

const equals = ["tenant", "queue", "key", "attempt"] as const;
const likes = ["input", "metadata", "output"] as const;
const known: readonly string[] = [...equals, ...likes, "schedule", "state", "dueAt", "dueIn", "reason"];

/** @throws InvalidInputError for a name that is none of these, or of `more` */
export function checkMatch(match: object, more: readonly string[] = []): void {
  refuseUnknown(match, [...known, ...more], "", likes);
}

/** Where a job first differs from what is meant, in words; undefined when it is meant. */
export function differs(job: JobView, match: JobMatch, now: number, time: LocalTime): string | undefined {
  for (const name of equals) {
    if (match[name] !== undefined && job[name] !== match[name])
      return `${name} is ${json(job[name])}, expected ${json(match[name])}`;
  }
  if (match.schedule !== undefined && job.schedule?.id !== match.schedule) {
    return `schedule is ${json(job.schedule?.id)}, expected ${json(match.schedule)}`;
  }
  const states = match.state === undefined ? [job.state] : [match.state].flat();
  if (!states.includes(job.state)) return `state is ${job.state}, expected ${states.join(" or ")}`;
  return likenessOf(job, match) ?? timeOf(job, match, now, time) ?? reasonOf(job, match);
}

function likenessOf(job: JobView, match: JobMatch): string | undefined {
  for (const name of likes) {
    const expected = match[name];
    if (expected === undefined) continue;
    if (typeof expected === "function") {
      if ((expected as (value: unknown) => boolean)(job[name]) !== true) return `${name} is refused by the function`;
      continue;
    }
    const found = difference(job[name], expected, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function timeOf(job: JobView, { dueAt, dueIn }: JobMatch, now: number, time: LocalTime): string | undefined {
  const wanted: number[] = [];
  if (dueAt !== undefined) wanted.push(time.read(dueAt, "dueAt"));
  if (dueIn !== undefined) wanted.push(now + parseDuration(dueIn, "dueIn"));
  const wrong = wanted.find((at) => at !== job.dueAt.getTime());
  return wrong === undefined ? undefined : `it is due ${time.show(job.dueAt)}, expected ${time.show(new Date(wrong))}`;
}

function reasonOf({ reason = "" }: JobView, { reason: expected }: JobMatch): string | undefined {
  if (expected === undefined) return undefined;
  const fits = typeof expected === "string" ? reason.includes(expected) : expected.test(reason);
  return fits ? undefined : `reason is ${json(reason)}, expected ${String(expected)}`;
}

/** A job in a line, as messages list it. */
export function lineOf(job: JobView, time: LocalTime): string {
  const facts = [
    job.task,
    job.state,
    ...(job.tenant === "default" ? [] : [`tenant ${job.tenant}`]),
    ...(job.queue === "default" ? [] : [`queue ${job.queue}`]),
    ...(job.key === undefined ? [] : [`key ${job.key}`]),
    ...(job.schedule === undefined ? [] : [`schedule ${job.schedule.id}`]),
    `due ${time.show(job.dueAt)}`,
    ...(job.attempt === 0 ? [] : [`attempt ${job.attempt}`]),
    `input ${json(job.input)}`,
    ...(job.reason === undefined ? [] : [`reason ${json(job.reason)}`]),
  ];
  return facts.join(", ");
}
