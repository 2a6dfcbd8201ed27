// A lane: one tenant's jobs in one queue, with its counters and what is ready or deferred in it.
import type { Millis } from "../core/clock.ts";
import { compareDue, type Job } from "../core/job.ts";
import type { Place } from "../core/stored-job.ts";
import { Heap } from "./heap.ts";

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
  readonly ready: Heap<Stored>;
  readonly deferred: Heap<Stored>;
  pass = 0;
  weight = 1;
  /** Whether it has a place in its queue's fair share: it had ready jobs when the lanes were last arranged. */
  isShared = false;

  readonly #isLive: (stored: Stored) => boolean;

  /** @param isLive tells entries that were saved again since */
  constructor(tenant: string, queue: string, isLive: (stored: Stored) => boolean) {
    this.tenant = tenant;
    this.queue = queue;
    this.#isLive = isLive;
    const isIn = (place: Place) => (stored: Stored) => stored.place === place && isLive(stored);
    this.ready = new Heap((a, b) => compareDue(a.job, b.job) || a.seq - b.seq, isIn("ready"));
    this.deferred = new Heap((a, b) => a.job.dueAt - b.job.dueAt || a.seq - b.seq, isIn("deferred"));
  }

  get unfinished(): number {
    return this.counts.ready + this.counts.deferred + this.counts.held + this.counts.active;
  }

  /** Deferred jobs that have come due since the last claim: it makes them ready, and gives the lane its place again. */
  countDue(now: Millis): number {
    return this.deferred.count(({ job }) => job.dueAt <= now);
  }

  /** Moves what has come due from deferred to ready. @returns whether anything was moved */
  promote(now: Millis): boolean {
    let moved = false;
    for (let top = this.deferred.peek(); top !== undefined; top = this.deferred.peek()) {
      const stale = !this.#isLive(top) || top.place !== "deferred";
      if (!stale && top.job.dueAt > now) return moved;
      this.deferred.pop();
      if (stale) continue;
      this.counts.deferred--;
      this.counts.ready++;
      top.place = "ready";
      this.ready.push(top);
      moved = true;
    }
    return moved;
  }
}
