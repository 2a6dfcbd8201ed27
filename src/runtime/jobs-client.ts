// Producing and managing jobs: enqueue, enqueueMany, `scheduler.jobs`, `scheduler.timers`.

import { defaults } from "../core/defaults.ts";
import { shown } from "../core/duration.ts";
import type { Engine, Insert, JobName } from "../core/engine.ts";
import {
  IdempotencyMismatchError,
  InvalidInputError,
  KeyInUseError,
  NotFoundError,
  StateConflictError,
} from "../core/errors.ts";
import { limitError } from "../core/guardrails.ts";
import { checkJobId, isOfTenant, mintJobId } from "../core/id.ts";
import { checkInstant, checkNear } from "../core/instant.ts";
import type { Due, NewJob } from "../core/job.ts";
import { refuseUnknown } from "../core/options.ts";
import type { Page } from "../core/page.ts";
import { canonicalJson, encodePayload } from "../core/payload.ts";
import { checkAttempts } from "../core/retry.ts";
import type { Task } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import { boundTenant, type ClientHost, repeatUnknown, resolveTask } from "./client-host.ts";
import { checkDue, checkKey, checkPriority, type EnqueueOptions, enqueueOptions } from "./enqueue-options.ts";
import { checkJobPurge, checkJobQuery, type JobPurge, type JobQuery } from "./job-query.ts";
import { purgeAll } from "./purge-all.ts";
import { validateInput } from "./validate-input.ts";
import { type JobView, viewJob } from "./views.ts";

/** One item of `enqueueMany`. */
export interface EnqueueItem extends EnqueueOptions {
  readonly task: Task | string;
  readonly input: unknown;
}

/** What became of an enqueue. */
export interface Enqueued {
  readonly id: string;
  readonly outcome: "created" | "existing" | "replaced";
  readonly dueAt: Date;
  /** It waits for the key's current job, which is active, to end. */
  readonly successor?: true;
}

/** Names a timer. */
export interface TimerName {
  readonly queue?: string;
  readonly key: string;
  readonly tenant?: string;
}

const itemOptions: readonly string[] = ["task", "input", ...enqueueOptions];

/** Jobs as producers and operators handle them. */
export class JobsClient {
  readonly #host: ClientHost;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** Enqueues one job. @throws InvalidInputError and its kin, KeyInUseError, LimitExceededError, NotWrittenError ... */
  async enqueue<Input>(
    task: Task<Input, unknown> | string,
    input: NoInfer<Input>,
    options: EnqueueOptions = {},
  ): Promise<Enqueued> {
    refuseUnknown(options, enqueueOptions, "");
    const job = await this.#build(task, input, options, "");
    const [enqueued] = await this.#insert([job]);
    if (enqueued === undefined) throw new Error("the engine answered nothing for an insert");
    return enqueued;
  }

  /** Enqueues several jobs of one tenant, all or none; `shared` options apply to those that do not say otherwise. */
  async enqueueMany(items: readonly EnqueueItem[], shared: EnqueueOptions = {}): Promise<Enqueued[]> {
    if (!Array.isArray(items)) {
      throw new InvalidInputError(`items must be an array, got ${shown(items)}`, { field: "items" });
    }
    refuseUnknown(shared, enqueueOptions, "shared");
    checkShared(shared);
    // An item's own time stands for the shared one, whichever way it is written.
    const { delay: _, at: __, ...untimed } = shared;
    const jobs: NewJob[] = [];
    for (const [index, item] of (items as readonly EnqueueItem[]).entries()) {
      const field = `items[${index}]`;
      refuseUnknown(item, itemOptions, field);
      const { task, input, ...own } = item;
      const base = own.delay !== undefined || own.at !== undefined ? untimed : shared;
      const job = this.#build(task as Task | string, input, { ...base, ...own }, field);
      jobs.push(job instanceof Promise ? await job : job);
    }
    const tenants = new Set(jobs.map((job) => job.tenant));
    if (tenants.size > 1) {
      throw new InvalidInputError("items of one enqueueMany must be of one tenant", { field: "items" });
    }
    return jobs.length === 0 ? [] : await this.#insert(jobs);
  }

  /** A job, or undefined when there is none of that id (any more) for this tenant. */
  async get(id: string, options: { readonly tenant?: string } = {}): Promise<JobView | undefined> {
    refuseUnknown(options, ["tenant"], "");
    const { jobs } = await this.#host.engine();
    const job = await jobs.get(checkJobId(id), this.#tenant(options.tenant));
    return job === undefined ? undefined : viewJob(job, this.#host.now());
  }

  /** Jobs, newest first unless `sort` says otherwise. A cursor stays good while jobs come and go. */
  async list(query: JobQuery = {}): Promise<Page<JobView>> {
    const { filter, asked } = checkJobQuery(query, this.#host.tenant);
    const { jobs } = await this.#host.engine();
    const page = await jobs.list(filter, asked);
    const now = this.#host.now();
    return { ...page, items: page.items.map((job) => viewJob(job, now)) };
  }

  /** Deletes finished jobs in bounded batches, whatever retention says; answers how many. Counts follow, totals stay. */
  async purge(options: JobPurge): Promise<number> {
    const finished = checkJobPurge(options, this.#host.tenant);
    const { jobs } = await this.#host.engine();
    return await purgeAll(this.#host.clock, (cursor) =>
      jobs.purge({ finished: { ...finished, cursor }, limit: defaults.purgeLimit }),
    );
  }

  /**
   * Cancels a job: at once while it waits; a running one is asked to stop (`cancelling`).
   * `finished` and `unknown` say that there was nothing to cancel.
   */
  async cancel(
    id: string,
    options: { readonly tenant?: string; readonly actor?: string } = {},
  ): Promise<"cancelled" | "cancelling" | "finished" | "unknown"> {
    refuseUnknown(options, ["tenant", "actor"], "");
    const answer = await this.#change(
      { id: checkJobId(id), tenant: this.#tenant(options.tenant) },
      { kind: "cancel" },
      options.actor,
    );
    return answer.outcome === "changed" ? "cancelled" : (answer.outcome as "cancelling" | "finished" | "unknown");
  }

  /** Runs a failed or cancelled job again, its failures forgotten; a waiting one is due now. @throws NotFoundError, StateConflictError */
  async retry(id: string, options: { readonly tenant?: string; readonly actor?: string } = {}): Promise<void> {
    await this.#must(id, options, { kind: "retry" });
  }

  /** Moves a pending job to another instant. @throws NotFoundError, StateConflictError */
  async reschedule(
    id: string,
    at: Date | string,
    options: { readonly tenant?: string; readonly actor?: string } = {},
  ): Promise<void> {
    await this.#must(id, options, {
      kind: "reschedule",
      due: { at: checkNear(checkInstant(at, "at"), this.#host.now(), "at") },
    });
  }

  /** Gives a pending job another input. @throws NotFoundError, StateConflictError */
  async update(
    id: string,
    input: unknown,
    options: { readonly tenant?: string; readonly actor?: string } = {},
  ): Promise<void> {
    refuseUnknown(options, ["tenant", "actor"], "");
    const { tenant } = options;
    const job = await this.get(id, tenant === undefined ? {} : { tenant });
    if (job === undefined) throw new NotFoundError(`there is no job ${id}`);
    await validateInput(this.#host.knownTask(job.task), input);
    await this.#must(id, options, { kind: "update", input: encodePayload(input, "input", this.#host.payloadBytesMax) });
  }

  /** @internal The name of a timer, checked. */
  timerName(name: TimerName): JobName {
    refuseUnknown(name, ["queue", "key", "tenant"], "");
    return {
      tenant: this.#tenant(name.tenant) ?? defaults.tenant,
      queue: checkId(name.queue ?? defaults.queue, "queue"),
      key: checkId(name.key, "key"),
    };
  }

  /** @internal */
  async changeTimer(
    name: TimerName,
    change: { readonly kind: "cancel" } | { readonly kind: "reschedule"; readonly due: Due },
    actor: string | undefined,
  ) {
    const wish = change.kind === "cancel" ? { ...change, unleased: true } : change;
    return await this.#change(this.timerName(name), wish, actor);
  }

  async #change(name: JobName, change: Parameters<Engine["jobs"]["change"]>[0][number]["change"], actor?: string) {
    const { jobs } = await this.#host.engine();
    let tries = 0;
    const [answer] = await repeatUnknown(this.#host, "id" in name ? [name.id] : [name.key], () => {
      tries++;
      return jobs.change([{ name, change, actor }], this.#host.guardrails);
    });
    const found = answer ?? { outcome: "unknown" as const };
    if (found.hit !== undefined) throw limitError(found.hit, found.hit.tenant);
    // J15: the try whose answer was lost has cancelled it.
    if (tries > 1 && change.kind === "cancel" && found.outcome === "finished" && found.state === "cancelled") {
      return { ...found, outcome: "changed" as const };
    }
    if (found.outcome === "changed" && change.kind === "cancel" && found.id !== undefined) {
      const job = this.#host.emitter.wants("job:cancelled") ? await jobs.get(found.id) : undefined;
      if (job !== undefined) {
        const { id, tenant, queue, task, attempt } = job;
        this.#host.emitter.emit("job:cancelled", { id, tenant, queue, task, attempt });
      }
    }
    return found;
  }

  async #must(
    id: string,
    options: { readonly tenant?: string; readonly actor?: string },
    change: Parameters<Engine["jobs"]["change"]>[0][number]["change"],
  ): Promise<void> {
    refuseUnknown(options, ["tenant", "actor"], "");
    const answer = await this.#change(
      { id: checkJobId(id), tenant: this.#tenant(options.tenant) },
      change,
      options.actor,
    );
    switch (answer.outcome) {
      case "changed":
        return;
      case "unknown":
        throw new NotFoundError(`there is no job ${id}`);
      case "key-in-use":
        throw new StateConflictError(`job ${id} has a key which another unfinished job holds now`, { field: "key" });
      default:
        throw new StateConflictError(`job ${id} is ${answer.state ?? answer.outcome}: it cannot be changed so`, {
          details: { state: answer.state },
        });
    }
  }

  #tenant(asked: string | undefined, field = "tenant"): string | undefined {
    return boundTenant(this.#host.tenant, asked, field);
  }

  /** At once where no schema has to be asked, as many jobs may be built in a row. */
  #build(task: Task | string, input: unknown, options: EnqueueOptions, at: string): NewJob | Promise<NewJob> {
    const path = (name: string) => (at === "" ? name : `${at}.${name}`);
    const { name, known } = resolveTask(this.#host, task, path("task"));
    const tenant = this.#tenant(options.tenant, path("tenant")) ?? defaults.tenant;
    const named = { name, known, tenant };
    if (known?.schema === undefined) return this.#buildChecked(named, input, options, path);
    return validateInput(known, input).then(() => this.#buildChecked(named, input, options, path));
  }

  #buildChecked(
    { name, known, tenant }: { readonly name: string; readonly known: Task | undefined; readonly tenant: string },
    input: unknown,
    options: EnqueueOptions,
    path: (name: string) => string,
  ): NewJob {
    const now = this.#host.now();
    const encoded = encodePayload(input, path("input"), this.#host.payloadBytesMax);
    const job: NewJob = {
      id:
        options.id === undefined
          ? mintJobId(tenant, now, this.#host.entropy())
          : checkOwnId(options.id, tenant, path("id")),
      tenant,
      queue: checkId(options.queue ?? known?.policy.queue ?? defaults.queue, path("queue")),
      task: name,
      input: encoded,
      priority: checkPriority(options.priority ?? "normal", path("priority")),
      due: checkDue(options, now, path),
      ...checkKey(options, path),
      attemptsMax: options.attempts === undefined ? undefined : checkAttempts(options.attempts, path("attempts")),
      metadata:
        options.metadata === undefined
          ? undefined
          : encodePayload(options.metadata, path("metadata"), defaults.metadataBytesMax),
    };
    if (options.idempotencyKey === undefined) return job;
    const key = checkId(options.idempotencyKey, path("idempotencyKey"));
    const { id: _, due: __, input: ___, ...body } = job;
    const asked = { delay: options.delay, at: options.at === undefined ? undefined : shown(options.at) };
    return {
      ...job,
      idempotency: { key, body: canonicalJson({ ...body, ...asked, input, metadata: options.metadata }) },
    };
  }

  async #insert(jobs: readonly NewJob[]): Promise<Enqueued[]> {
    const insert: Insert = { jobs, guardrails: this.#host.guardrails };
    const engine = await this.#host.engine();
    const ids = jobs.map((job) => job.id);
    const answer = await repeatUnknown(this.#host, ids, async () =>
      this.#host.inserts === undefined ? (await engine.jobs.insert([insert]))[0] : this.#host.inserts.add(insert),
    );
    if (answer === undefined) throw new Error("the engine answered nothing for an insert");
    if (answer.outcome === "inserted") {
      return answer.jobs.map((inserted, index) => {
        const { id, outcome, successor } = inserted;
        const dueAt = new Date(inserted.dueAt);
        const job = jobs[index];
        if (job !== undefined && this.#host.emitter.wants("job:scheduled")) {
          const { tenant, queue, task } = job;
          this.#host.emitter.emit("job:scheduled", { id, tenant, queue, task, dueAt, outcome });
        }
        return { id, outcome, dueAt, ...(successor === true ? { successor: true as const } : {}) };
      });
    }
    const job = "index" in answer ? jobs[answer.index] : jobs[0];
    const at = jobs.length > 1 && "index" in answer ? `items[${answer.index}].` : "";
    switch (answer.outcome) {
      case "key-in-use":
        throw new KeyInUseError(`key ${job?.key} is taken by job ${answer.id}`, {
          field: `${at}key`,
          details: { id: answer.id },
        });
      case "idempotency-mismatch":
        throw job?.idempotency === undefined
          ? new IdempotencyMismatchError(`id ${job?.id} is another job's`, { field: `${at}id` })
          : new IdempotencyMismatchError(
              `idempotencyKey ${job.idempotency.key} was used for another request within 24 h`,
              { field: `${at}idempotencyKey` },
            );
      case "limit":
        throw limitError(answer, job?.tenant ?? defaults.tenant);
    }
  }
}

/** An id that was given out for this tenant, as its tag shows. */
function checkOwnId(value: unknown, tenant: string, field: string): string {
  const id = checkJobId(value, field);
  if (isOfTenant(id, tenant)) return id;
  throw new InvalidInputError(`${field} must be one that was made for tenant ${tenant}, got ${shown(value)}`, {
    field,
  });
}

/** Options that are wrong for every item are wrong even when there is none. */
function checkShared(shared: EnqueueOptions): void {
  const path = (name: string) => `shared.${name}`;
  for (const name of ["key", "id", "idempotencyKey"] as const) {
    if (shared[name] === undefined) continue;
    throw new InvalidInputError(`${path(name)} names one job: give it to the item`, { field: path(name) });
  }
  checkDue(shared, 0, path);
  checkKey({ ...shared, key: "item" }, path);
  if (shared.priority !== undefined) checkPriority(shared.priority, path("priority"));
  if (shared.attempts !== undefined) checkAttempts(shared.attempts, path("attempts"));
}
