// The scheduler under test: a real one whose handlers the kit watches, and which in inline mode runs what it enqueues.

import type { TenantScheduler } from "../runtime/bound-schedulers.ts";
import type { EnqueueOptions } from "../runtime/enqueue-options.ts";
import type { Handler } from "../runtime/handler.ts";
import type { Enqueued, EnqueueItem, JobsClient } from "../runtime/jobs-client.ts";
import { Scheduler } from "../runtime/scheduler.ts";
import type { SchedulerOptions } from "../runtime/scheduler-options.ts";

/** What a client did: the jobs that it enqueued, with the names of their tasks. */
export type OnEnqueue = (enqueued: readonly Enqueued[]) => Promise<void>;

export interface WatchedOptions<Tx> extends SchedulerOptions<Tx> {
  readonly wrap: (handler: Handler) => Handler;
  /** Inline mode: called with what was enqueued, before the caller hears of it. */
  readonly onEnqueue: OnEnqueue | undefined;
}

export class WatchedScheduler<Tx = never> extends Scheduler<Tx> {
  readonly #wrap: (handler: Handler) => Handler;
  readonly #onEnqueue: OnEnqueue | undefined;

  constructor({ wrap, onEnqueue, ...options }: WatchedOptions<Tx>) {
    const { handlers } = options;
    super(Array.isArray(handlers) ? { ...options, handlers: handlers.map(wrap) } : options);
    this.#wrap = wrap;
    this.#onEnqueue = onEnqueue;
    runInline(this.jobs, onEnqueue);
  }

  override handle(...handlers: readonly Handler[]): void {
    super.handle(...handlers.map(this.#wrap));
  }

  override tenant(id: string): TenantScheduler {
    const bound = super.tenant(id);
    runInline(bound.jobs, this.#onEnqueue);
    return bound;
  }
}

/** Every way to enqueue outside a handler or a transaction ends in these two methods. */
function runInline(jobs: JobsClient, onEnqueue: OnEnqueue | undefined): void {
  if (onEnqueue === undefined) return;
  const [one, many] = [jobs.enqueue.bind(jobs), jobs.enqueueMany.bind(jobs)];
  const enqueue: typeof one = async (task, input, options) => {
    const enqueued = await one(task, input, options);
    await onEnqueue([enqueued]);
    return enqueued;
  };
  const enqueueMany = async (items: readonly EnqueueItem[], shared?: EnqueueOptions) => {
    const enqueued = await many(items, shared);
    await onEnqueue(enqueued);
    return enqueued;
  };
  Object.assign(jobs, { enqueue, enqueueMany });
}
