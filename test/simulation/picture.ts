// What the oracle knows to be stored: a second picture of the store, made of what each step changed.
import type { JobId } from "../../src/core/id.ts";
import { isFinished, type Job } from "../../src/core/job.ts";
import type { Schedule } from "../../src/core/schedule.ts";

export class Picture {
  readonly jobs = new Map<JobId, Job>();
  readonly schedules = new Map<string, Schedule>();
  /** Unfinished jobs by (tenant, queue, key). */
  readonly keyed = new Map<string, Set<JobId>>();
  /** Unfinished jobs by their schedule's incarnation. */
  readonly unfinished = new Map<string, Set<JobId>>();
  readonly active = new Set<JobId>();
  /** The job that carries a request of a client. */
  readonly requests = new Map<number, JobId>();
  /** The job of a tick, by incarnation and tick: for ever (S2). */
  readonly ticks = new Map<string, JobId>();

  /** Since when a pending job may be claimed, or an active one is as it is. */
  readonly since = new Map<JobId, number>();

  put(id: JobId, job: Job | undefined): void {
    const before = this.jobs.get(id);
    if (before !== undefined) this.#index(before, false);
    if (job === undefined) {
      this.jobs.delete(id);
      return;
    }
    this.jobs.set(id, job);
    this.#index(job, true);
  }

  #index(job: Job, present: boolean): void {
    const listed = present && !isFinished(job.state);
    if (listed && job.state === "active") this.active.add(job.id);
    else this.active.delete(job.id);
    const key = keyOf(job);
    if (key !== undefined) mark(this.keyed, key, job.id, listed);
    if (job.schedule !== undefined) mark(this.unfinished, job.schedule.incarnation, job.id, listed);
  }

  /** The key's jobs that are not finished. */
  ofKey(job: Job): Job[] {
    const key = keyOf(job);
    const ids = key === undefined ? [] : [...(this.keyed.get(key) ?? [])];
    return ids.flatMap((id) => this.jobs.get(id) ?? []);
  }

  countUnfinished(incarnation: string): number {
    return this.unfinished.get(incarnation)?.size ?? 0;
  }

  copy(): Picture {
    const copy = new Picture();
    for (const [id, job] of this.jobs) copy.put(id, job);
    for (const [key, schedule] of this.schedules) copy.schedules.set(key, schedule);
    for (const [request, id] of this.requests) copy.requests.set(request, id);
    for (const [id, at] of this.since) copy.since.set(id, at);
    for (const [tick, id] of this.ticks) copy.ticks.set(tick, id);
    return copy;
  }
}

export function keyOf({ tenant, queue, key }: Pick<Job, "tenant" | "queue" | "key">): string | undefined {
  return key === undefined ? undefined : `${tenant}\n${queue}\n${key}`;
}

/** The request that a job's input names; a schedule's jobs have none. */
export function requestOf(job: Pick<Job, "input">): number | undefined {
  const { r } = JSON.parse(job.input) as { readonly r?: number };
  return r;
}

function mark(sets: Map<string, Set<JobId>>, key: string, id: JobId, listed: boolean): void {
  const set = sets.get(key) ?? new Set();
  if (listed) set.add(id);
  else set.delete(id);
  if (set.size === 0) sets.delete(key);
  else sets.set(key, set);
}
