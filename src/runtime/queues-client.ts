// `scheduler.queues`, `pause`, `resume` and `stats`.
import type { Duration } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import { everyQueue, type LaneCounts, type Queue, type QueueChange } from "../core/queue.ts";
import { checkId } from "../core/tenant.ts";
import { boundTenant, type ClientHost } from "./client-host.ts";
import { checkCount, checkRate } from "./limit-options.ts";

/** Counts of jobs by state; the last three are of what is retained. */
export interface Counts {
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** Counts, totals since the beginning, and which queues are paused. */
export interface Stats extends Counts {
  readonly totals: LaneCounts["totals"];
  /** Everything is paused. */
  readonly paused: boolean;
  readonly pausedQueues: readonly string[];
}

/** A queue as users see it. */
export interface QueueView extends Counts {
  readonly name: string;
  readonly paused: boolean;
  readonly concurrency?: number;
  readonly rate?: { readonly count: number; readonly periodMs: number };
}

/** Limits of a queue; `null` lifts one. */
export interface QueueLimits {
  /** Jobs active at once, over all workers. */
  readonly concurrency?: number | null;
  /** At most `count` starts in any span of `per`. */
  readonly rate?: { readonly count: number; readonly per: Duration } | null;
}

export class QueuesClient {
  readonly #host: ClientHost;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** Pauses a queue on every replica; what runs goes on, and nothing is lost. */
  async pause(name: string, options: { readonly actor?: string } = {}): Promise<void> {
    refuseUnknown(options, ["actor"], "");
    await this.#put({ name: checkId(name, "queue"), paused: true }, options.actor);
  }

  async resume(name: string, options: { readonly actor?: string } = {}): Promise<void> {
    refuseUnknown(options, ["actor"], "");
    await this.#put({ name: checkId(name, "queue"), paused: false }, options.actor);
  }

  /** Sets or lifts limits that hold over all replicas. */
  async limit(name: string, limits: QueueLimits, options: { readonly actor?: string } = {}): Promise<void> {
    refuseUnknown(limits, ["concurrency", "rate"], "limits", ["concurrency", "rate"]);
    refuseUnknown(options, ["actor"], "");
    const { concurrency, rate } = limits;
    if (concurrency !== undefined && concurrency !== null) checkCount(concurrency, "limits.concurrency");
    const change: QueueChange = {
      name: checkId(name, "queue"),
      concurrency,
      rate: rate === undefined || rate === null ? rate : checkRate(rate, "limits.rate"),
    };
    await this.#put(change, options.actor);
  }

  /** Every queue that has jobs or settings; on a tenant handle those in which it has or had jobs, with its own counts. */
  async list(): Promise<QueueView[]> {
    const { queues, jobs } = await this.#host.engine();
    const [records, lanes] = await Promise.all([
      queues.list(),
      jobs.stats({ tenant: boundTenant(this.#host.tenant, undefined) }),
    ]);
    const own = this.#ownQueues(lanes);
    const byName = new Map<string, Queue>(records.filter(own).map((queue) => [queue.name, queue]));
    for (const { queue } of lanes) if (!byName.has(queue)) byName.set(queue, { name: queue, paused: false });
    byName.delete(everyQueue);
    return [...byName.values()].map(({ name, paused, concurrency, rate }) => ({
      name,
      paused,
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(rate === undefined ? {} : { rate }),
      ...sum(lanes.filter((lane) => lane.queue === name)),
    }));
  }

  /** @internal */
  async pauseAll(paused: boolean, actor?: string): Promise<void> {
    await this.#put({ name: everyQueue, paused }, actor);
  }

  /** @internal */
  async stats(filter: { readonly tenant?: string; readonly queue?: string } = {}): Promise<Stats> {
    refuseUnknown(filter, ["tenant", "queue"], "");
    const { queues, jobs } = await this.#host.engine();
    const tenant = boundTenant(this.#host.tenant, filter.tenant);
    const [records, lanes] = await Promise.all([queues.list(), jobs.stats({ tenant, queue: filter.queue })]);
    const totals = { completed: 0, failed: 0, cancelled: 0 };
    for (const lane of lanes) {
      totals.completed += lane.totals.completed;
      totals.failed += lane.totals.failed;
      totals.cancelled += lane.totals.cancelled;
    }
    const own = this.#ownQueues(lanes);
    const pausedQueues = records.filter((queue) => queue.paused && own(queue)).map((queue) => queue.name);
    return {
      ...sum(lanes),
      totals,
      paused: pausedQueues.includes(everyQueue),
      pausedQueues: pausedQueues.filter((name) => name !== everyQueue),
    };
  }

  /** A tenant learns nothing of queues in which it has no jobs; that everything is paused concerns it too. */
  #ownQueues(lanes: readonly LaneCounts[]): (queue: Queue) => boolean {
    if (this.#host.tenant === undefined) return () => true;
    const names = new Set(lanes.map(({ queue }) => queue));
    return ({ name }) => name === everyQueue || names.has(name);
  }

  async #put(change: QueueChange, actor: string | undefined): Promise<void> {
    if (this.#host.tenant !== undefined) {
      throw new InvalidInputError("queues belong to the whole deployment: a tenant handle cannot change them", {
        field: "queue",
      });
    }
    const { queues } = await this.#host.engine();
    await queues.put([change], actor);
  }
}

function sum(lanes: readonly LaneCounts[]): Counts {
  const counts = { waiting: 0, delayed: 0, active: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const lane of lanes) {
    for (const state of ["waiting", "delayed", "active", "completed", "failed", "cancelled"] as const) {
      counts[state] += lane[state];
    }
  }
  return counts;
}
