// A lane: one tenant's jobs in one queue, with its counters and what is ready or deferred in it.
import type { Millis } from "../../core/clock.ts";
import { compareDue, type Job } from "../../core/job.ts";
import { Heap } from "./heap.ts";

/** Where a job waits: the stored state, with `pending` split by what a claim may do with it. */
export type Place = "ready" | "deferred" | "held" | "active" | "completed" | "failed" | "cancelled";

/** A job with its order of insertion. Each save makes a new one, so that an entry of an old one in a heap is stale. */
export interface Stored {
  readonly job: Job;
  readonly seq: number;
  place: Place;
}

export class Lane {
  readonly tenant: string;
  readonly queue: string;
  readonly counts: Record<Place, number> = {
    ready: 0,
    deferred: 0,
    held: 0,
    active: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  readonly totals = { completed: 0, failed: 0, cancelled: 0 };
  readonly ready = new Heap<Stored>((a, b) => compareDue(a.job, b.job) || a.seq - b.seq);
  readonly deferred = new Heap<Stored>((a, b) => a.job.dueAt - b.job.dueAt || a.seq - b.seq);
  pass = 0;
  readonly weight = 1;

  constructor(tenant: string, queue: string) {
    this.tenant = tenant;
    this.queue = queue;
  }

  get unfinished(): number {
    return this.counts.ready + this.counts.deferred + this.counts.held + this.counts.active;
  }

  /** Moves what has come due from deferred to ready; `isLive` tells entries that were saved again since. */
  promote(now: Millis, isLive: (stored: Stored) => boolean): void {
    for (let top = this.deferred.peek(); top !== undefined; top = this.deferred.peek()) {
      const stale = !isLive(top) || top.place !== "deferred";
      if (!stale && top.job.dueAt > now) return;
      this.deferred.pop();
      if (stale) continue;
      this.counts.deferred--;
      this.counts.ready++;
      top.place = "ready";
      this.ready.push(top);
    }
  }
}
