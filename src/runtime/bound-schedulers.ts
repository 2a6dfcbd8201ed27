// The API bound to something: to a caller's open transaction, or to one tenant.
import type { Task } from "../core/task.ts";
import type { ClientHost } from "./client-host.ts";
import type { EnqueueOptions } from "./enqueue-options.ts";
import type { EventsClient } from "./events-client.ts";
import type { ExplainRequest, Explanation } from "./explainer.ts";
import { type Enqueued, type EnqueueItem, JobsClient } from "./jobs-client.ts";
import type { QueuesClient, Stats } from "./queues-client.ts";
import { SchedulesClient } from "./schedules-client.ts";
import type { TenantView } from "./tenants-client.ts";
import { TimersClient } from "./timers-client.ts";

/** What can be done inside a caller's transaction: nothing of it is seen before the transaction commits. */
export interface TransactionScheduler {
  enqueue<Input>(
    task: Task<Input, unknown> | string,
    input: NoInfer<Input>,
    options?: EnqueueOptions,
  ): Promise<Enqueued>;
  enqueueMany(items: readonly EnqueueItem[], shared?: EnqueueOptions): Promise<Enqueued[]>;
  readonly jobs: JobsClient;
  readonly timers: TimersClient;
  readonly schedules: SchedulesClient;
}

/** The API bound to one tenant: ids of other tenants do not exist for it. */
export interface TenantScheduler extends TransactionScheduler {
  readonly events: EventsClient;
  /** Why a job or schedule of this tenant will run, did not run or does not tick. */
  explain(request: ExplainRequest): Promise<Explanation>;
  stats(filter?: { readonly queue?: string }): Promise<Stats>;
  /** The queues in which it has or had jobs, with its own counts; what they are limited to is the deployment's business. */
  readonly queues: Pick<QueuesClient, "list">;
  /** Its limits, its share and what it has; only who holds the scheduler can change them. */
  limits(): Promise<TenantView>;
}

/** The clients that a host serves. */
export function clientsOf(host: ClientHost): TransactionScheduler {
  const jobs = new JobsClient(host);
  return {
    enqueue: (task, input, options) => jobs.enqueue(task, input, options),
    enqueueMany: (items, shared) => jobs.enqueueMany(items, shared),
    jobs,
    timers: new TimersClient(host, jobs),
    schedules: new SchedulesClient(host),
  };
}
