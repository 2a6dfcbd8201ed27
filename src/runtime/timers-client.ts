// `scheduler.timers`: keyed jobs that can be replaced, moved and cancelled by name.
import type { JobFilter } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import { checkInstant, checkNear } from "../core/instant.ts";
import { refuseUnknown } from "../core/options.ts";
import { checkPage, type Page } from "../core/page.ts";
import type { Task } from "../core/task.ts";
import { boundTenant, type ClientHost, checkName } from "./client-host.ts";
import type { EnqueueOptions } from "./enqueue-options.ts";
import type { JobQuery } from "./job-query.ts";
import type { Enqueued, JobsClient, TimerName } from "./jobs-client.ts";
import { type JobView, viewJob } from "./views.ts";

/** Timers: keyed jobs that can be replaced, moved and cancelled by name. */
export class TimersClient {
  readonly #jobs: JobsClient;
  readonly #host: ClientHost;

  constructor(host: ClientHost, jobs: JobsClient) {
    this.#host = host;
    this.#jobs = jobs;
  }

  /** Sets a timer; one that is set already takes the new input and time, unless `onConflict` says otherwise. */
  async put<Input>(
    task: Task<Input, unknown> | string,
    input: NoInfer<Input>,
    options: EnqueueOptions & { readonly key: string },
  ): Promise<Enqueued> {
    if (options?.key === undefined) throw new InvalidInputError("key is required for a timer", { field: "key" });
    return await this.#jobs.enqueue(task, input, { onConflict: "replace", ...options });
  }

  /** Moves a pending timer; `active` when it is running and no other is set, `unknown` when there is none. */
  async move(
    name: TimerName,
    at: Date | string,
    options: { readonly actor?: string } = {},
  ): Promise<{ readonly outcome: "moved" | "active" | "unknown"; readonly id?: string }> {
    refuseUnknown(options, ["actor"], "");
    const due = { at: checkNear(checkInstant(at, "at"), this.#host.now(), "at") };
    const { outcome, id } = await this.#jobs.changeTimer(name, { kind: "reschedule", due }, options.actor);
    const named = outcome === "changed" ? "moved" : outcome === "active" ? "active" : "unknown";
    return id === undefined || named === "unknown" ? { outcome: named } : { outcome: named, id };
  }

  /** Cancels what is not running; a running one is left to finish (`active`), `unknown` when there is none. */
  async cancel(
    name: TimerName,
    options: { readonly actor?: string } = {},
  ): Promise<{ readonly outcome: "cancelled" | "active" | "unknown"; readonly id?: string }> {
    refuseUnknown(options, ["actor"], "");
    const { outcome, id } = await this.#jobs.changeTimer(name, { kind: "cancel" }, options.actor);
    const named = outcome === "changed" ? "cancelled" : outcome === "active" ? "active" : "unknown";
    return id === undefined || named === "unknown" ? { outcome: named } : { outcome: named, id };
  }

  /** Pending timers, newest first. */
  async list(
    query: Pick<JobQuery, "tenant" | "queue" | "keyPrefix" | "dueBefore" | "limit" | "cursor"> = {},
  ): Promise<Page<JobView>> {
    refuseUnknown(query, ["tenant", "queue", "keyPrefix", "dueBefore", "limit", "cursor"], "");
    const { jobs } = await this.#host.engine();
    const filter: JobFilter = {
      tenant: boundTenant(this.#host.tenant, query.tenant),
      queue: checkName(query.queue, "queue"),
      keyPrefix: checkName(query.keyPrefix, "keyPrefix"),
      keyed: true,
      states: ["pending"],
      dueBefore: query.dueBefore === undefined ? undefined : checkInstant(query.dueBefore, "dueBefore"),
    };
    const page = await jobs.list(filter, checkPage(query));
    return { ...page, items: page.items.map((job) => viewJob(job, this.#host.now())) };
  }
}
