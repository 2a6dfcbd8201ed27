// Assertions about jobs and ticks: each answers what it found, or throws an AssertionError that lists what there is.
import { AssertionError } from "node:assert";
import { defaults } from "../core/defaults.ts";
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { Task } from "../core/task.ts";
import type { TickRecord } from "../runtime/tick-history.ts";
import type { JobView } from "../runtime/views.ts";
import type { Evidence } from "./evidence.ts";
import { checkMatch, differs, type JobMatch, lineOf } from "./job-match.ts";
import type { LocalTime } from "./local-time.ts";
import {
  checkTickMatch,
  countOf,
  describeTicks,
  fits,
  placeOf,
  refuseToCome,
  type TickMatch,
  tickLine,
} from "./tick-match.ts";

/** A match, and how many jobs there must be; at least one when absent. */
export interface JobExpectation<Input = unknown> extends JobMatch<Input> {
  readonly count?: number;
}

/** A message lists so many jobs or ticks. */
const listedMax = 12;

export class Expectations<Tx> {
  readonly #evidence: Evidence<Tx>;
  readonly #time: LocalTime;
  readonly #now: () => number;

  constructor(evidence: Evidence<Tx>, time: LocalTime, now: () => number) {
    this.#evidence = evidence;
    this.#time = time;
    this.#now = now;
  }

  /** Jobs of a task that are like the match, in the order they were enqueued. */
  async jobsOf(task: Task | string | undefined, match: JobMatch): Promise<JobView[]> {
    checkMatch(match);
    const all = await this.#evidence.jobs();
    return all.filter((job) => this.#isOf(job, task) && this.#differs(job, match) === undefined);
  }

  /** The first job of a task that is like the match. @throws AssertionError when there is none, or another number of them */
  async someJob(
    verb: string,
    task: Task | string,
    { count, ...match }: JobExpectation,
    from: Caller,
  ): Promise<JobView> {
    checkCount(count);
    const found = await this.jobsOf(task, match);
    const [first] = found;
    if (first !== undefined && (count === undefined || found.length === count)) return first;
    const wanted = count === undefined ? "a job" : `${count} job${count === 1 ? "" : "s"}`;
    throw await this.#failure(`expected ${wanted} of ${nameOf(task)} to ${verb}`, task, match, found, from);
  }

  /** @throws AssertionError when there is a job of the task that is like the match */
  async noJob(verb: string, task: Task | string, match: JobMatch, from: Caller): Promise<void> {
    const found = await this.jobsOf(task, match);
    if (found.length === 0) return;
    throw await this.#failure(`expected no job of ${nameOf(task)} to ${verb}`, task, match, found, from);
  }

  /** A schedule's ticks, fired and skipped, in the order they were. */
  ticksOf(schedule: string, tenant: string = defaults.tenant): Promise<TickRecord[]> {
    return this.#evidence.ticks(tenant, schedule);
  }

  /** The ticks of a schedule that are like the match. @throws AssertionError when there is none, or another number of them */
  async someTick(schedule: string, match: TickMatch, from: Caller): Promise<TickRecord[]> {
    const { found, all } = await this.#ticks(schedule, match);
    const count = countOf(found);
    if (match.count === undefined ? count > 0 : count === match.count) return found;
    const wanted = match.count === undefined ? "a tick" : `${match.count} tick${match.count === 1 ? "" : "s"}`;
    throw await this.#tickFailure(`expected ${wanted}`, schedule, match, { count, all }, from);
  }

  /** @throws AssertionError when there is a tick like the match, or never was such a schedule */
  async noTick(schedule: string, match: TickMatch, from: Caller): Promise<void> {
    const { found, all } = await this.#ticks(schedule, match);
    const count = countOf(found);
    if (count > 0) throw await this.#tickFailure("expected no tick", schedule, match, { count, all }, from);
    refuseToCome(match, this.#now(), this.#time);
    if (await this.#evidence.knows(match.tenant ?? defaults.tenant, schedule)) return;
    const of = match.tenant === undefined ? "" : ` of tenant ${match.tenant}`;
    const others = (await this.#evidence.schedules()).join(", ") || "none";
    const message = `expected no tick of schedule ${schedule}; there is no such schedule${of}; the schedules are: ${others}`;
    throw new AssertionError({ message, operator: "fail", stackStartFn: from });
  }

  async #ticks(schedule: string, match: TickMatch): Promise<{ found: TickRecord[]; all: TickRecord[] }> {
    checkTickMatch(match, this.#time);
    checkCount(match.count);
    const all = await this.ticksOf(schedule, match.tenant);
    return { found: all.filter((tick) => fits(tick, match, this.#time)), all };
  }

  #isOf(job: JobView, task: Task | string | undefined): boolean {
    return task === undefined || job.task === nameOf(task);
  }

  #differs(job: JobView, match: JobMatch): string | undefined {
    return differs(job, match, this.#now(), this.#time);
  }

  async #failure(
    wanted: string,
    task: Task | string,
    match: JobMatch,
    found: readonly JobView[],
    stackStartFn: Caller,
  ): Promise<AssertionError> {
    const all = await this.#evidence.jobs();
    const own = all.filter((job) => this.#isOf(job, task));
    const lines = own.map((job) => {
      const why = this.#differs(job, match);
      return why === undefined ? `  + ${lineOf(job, this.#time)}` : `  - ${lineOf(job, this.#time)}\n      ${why}`;
    });
    const message = [
      `${wanted}${described(match)}; found ${found.length}`,
      own.length === 0
        ? `there is no job of ${nameOf(task)}${othersOf(all)}`
        : `jobs of ${nameOf(task)} at ${this.#time.show(new Date(this.#now()))}:\n${listed(lines)}`,
    ].join("\n");
    return new AssertionError({ message, operator: "fail", stackStartFn });
  }

  async #tickFailure(
    wanted: string,
    schedule: string,
    match: TickMatch,
    { count, all }: { readonly count: number; readonly all: readonly TickRecord[] },
    stackStartFn: Caller,
  ): Promise<AssertionError> {
    const schedules = await this.#evidence.schedules();
    const lines = all.map((tick) => `  ${fits(tick, match, this.#time) ? "+" : "-"} ${tickLine(tick, this.#time)}`);
    const message = [
      `${wanted} of schedule ${schedule}${describeTicks(match, this.#time)}; found ${count}`,
      all.length > 0
        ? `its ticks until ${this.#time.show(new Date(this.#now()))}:\n${listed(lines, placeOf(match, all, this.#time))}`
        : `it has no tick until ${this.#time.show(new Date(this.#now()))}; the schedules are: ${schedules.join(", ") || "none"}`,
    ].join("\n");
    return new AssertionError({ message, operator: "fail", stackStartFn });
  }
}

/** The function that a test called: its stack begins there. */
export type Caller = (...parameters: never[]) => unknown;

function nameOf(task: Task | string): string {
  return typeof task === "string" ? task : task.name;
}

function checkCount(count: unknown): void {
  if (count === undefined || (Number.isInteger(count) && (count as number) >= 1)) return;
  throw new InvalidInputError(
    `count must be a whole number of 1 or more, got ${shown(count)}; for none there is expectNot... and expectNo...`,
    {
      field: "count",
    },
  );
}

/** A match in words, for the first line of a message. */
function described(match: JobMatch): string {
  const parts = Object.entries(match)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === "function" ? "as the function says" : textOf(value)}`);
  return parts.length === 0 ? "" : ` with ${parts.join(", ")}`;
}

function textOf(value: unknown): string {
  return value instanceof RegExp ? String(value) : (JSON.stringify(value) ?? String(value));
}

function othersOf(all: readonly JobView[]): string {
  const counts = new Map<string, number>();
  for (const { task } of all) counts.set(task, (counts.get(task) ?? 0) + 1);
  const others = [...counts].map(([task, count]) => `${count} of ${task}`);
  return others.length === 0 ? ", nor of any other task" : `; there are ${others.join(", ")}`;
}

/** As many lines as a message can bear, those around a place; the first by default. */
function listed(lines: readonly string[], place = 0): string {
  const before = Math.max(0, Math.min(place - listedMax / 2, lines.length - listedMax));
  const more = lines.length - before - listedMax;
  return [
    ...(before > 0 ? [`  ... ${before} before`] : []),
    ...lines.slice(before, before + listedMax),
    ...(more > 0 ? [`  ... and ${more} more`] : []),
  ].join("\n");
}
