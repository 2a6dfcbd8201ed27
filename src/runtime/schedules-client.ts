// `scheduler.schedules`: create, ensure, update, preview, trigger and the rest.

import { defaults } from "../core/defaults.ts";
import { shown } from "../core/duration.ts";
import type { PutAnswer } from "../core/engine.ts";
import { AlreadyExistsError, InvalidInputError } from "../core/errors.ts";
import { checkInstant } from "../core/instant.ts";
import { checkFlag, refuseUnknown } from "../core/options.ts";
import { checkPage, type Page, type PageRequest } from "../core/page.ts";
import type { Schedule, SchedulePut, ScheduleRef } from "../core/schedule.ts";
import { checkId } from "../core/tenant.ts";
import { type BackfillOptions, type BackfillResult, backfillOptions, backfillSchedule } from "./backfill.ts";
import { boundTenant, type ClientHost, checkName } from "./client-host.ts";
import { notFound, type Triggered, triggerSchedule } from "./schedule-operations.ts";
import { mergeDefinition, type ScheduleOptions, scheduleOptions } from "./schedule-options.ts";
import { checkCount, type PreviewTick, previewPut, previewTicks } from "./schedule-preview.ts";
import { announcePut, buildPut, sendPuts } from "./schedule-put.ts";
import { type ExpectedSchedule, updateSchedule } from "./schedule-update.ts";
import { listTicks, type TickQuery, type TickRecord } from "./tick-history.ts";
import { type ScheduleView, viewSchedule } from "./views.ts";

/** One of `ensureMany`. */
export type ScheduleItem<Input = unknown> = ScheduleOptions<Input> & { readonly id: string };

/** What a put did, and the schedule afterwards. */
export interface PutResult {
  readonly outcome: "created" | "updated" | "unchanged";
  readonly schedule: ScheduleView;
}

/** Which schedules a listing shows. */
export interface ScheduleQuery extends PageRequest {
  readonly tenant?: string;
  readonly task?: string;
  readonly queue?: string;
  readonly enabled?: boolean;
  readonly idPrefix?: string;
}

interface OfTenant {
  readonly tenant?: string;
}

/** Who does it, for the audit log. */
interface ByActor {
  readonly actor?: string;
}

export class SchedulesClient {
  readonly #host: ClientHost;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** Creates a schedule. @throws AlreadyExistsError when the id is taken */
  async create<Input>(id: string, options: ScheduleOptions<Input>, by: ByActor = {}): Promise<ScheduleView> {
    refuseUnknown(by, ["actor"], "by");
    const put = await this.#build(id, options, "absent", "");
    const [answer] = await this.#put([{ ...put, actor: by.actor }]);
    if (answer?.outcome === "conflict") {
      throw new AlreadyExistsError(`schedule ${id} exists already`, {
        field: "id",
        details: { id, tenant: put.tenant },
      });
    }
    return this.#done(put, answer).schedule;
  }

  /** Creates or changes a schedule; an equal definition changes nothing, so it may be called at every start. */
  async ensure<Input>(id: string, options: ScheduleOptions<Input>, by: ByActor = {}): Promise<PutResult> {
    refuseUnknown(by, ["actor"], "by");
    const put = await this.#build(id, options, "any", "");
    const [answer] = await this.#put([{ ...put, actor: by.actor }]);
    return this.#done(put, answer);
  }

  /** `ensure` for many, each by itself; those refused by a limit throw after the others were saved. */
  async ensureMany<const Inputs extends readonly unknown[]>(
    items: { readonly [Index in keyof Inputs]: ScheduleItem<Inputs[Index]> },
    by: ByActor = {},
  ): Promise<PutResult[]> {
    refuseUnknown(by, ["actor"], "by");
    if (!Array.isArray(items)) {
      throw new InvalidInputError(`items must be an array, got ${shown(items)}`, { field: "items" });
    }
    const puts: SchedulePut[] = [];
    for (const [index, item] of (items as readonly ScheduleItem[]).entries()) {
      const field = `items[${index}]`;
      refuseUnknown(item, ["id", ...scheduleOptions], field);
      const { id, ...options } = item;
      puts.push({ ...(await this.#build(id, options, "any", field)), actor: by.actor });
    }
    const answers: PutAnswer[] = [];
    for (let from = 0; from < puts.length; from += defaults.fireLimit) {
      answers.push(...(await this.#put(puts.slice(from, from + defaults.fireLimit))));
    }
    return puts.map((put, index) => this.#done(put, answers[index]));
  }

  /**
   * Changes a schedule; what is not named stays, also the queue when the task is another. With `revision` and
   * `incarnation` (of the schedule as it was read) a change made meanwhile, or another schedule of the same id, is not
   * overwritten. @throws NotFoundError, RevisionConflictError
   */
  async update<Input>(
    id: string,
    changes: Partial<ScheduleOptions<Input>>,
    options: { readonly revision?: number; readonly incarnation?: string; readonly actor?: string } = {},
  ): Promise<ScheduleView> {
    refuseUnknown(changes, scheduleOptions, "");
    refuseUnknown(options, ["revision", "incarnation", "actor"], "");
    const ref = this.#ref(id, changes.tenant);
    const { revision, incarnation, actor } = options;
    const change = async ({ definition }: Schedule) => ({
      definition: await mergeDefinition(this.#host, ref, definition, changes as Partial<ScheduleOptions>),
      actor,
    });
    return await this.#modify(ref, change, { revision, incarnation });
  }

  /** A schedule, or undefined when this tenant has none of that id. */
  async get(id: string, options: OfTenant = {}): Promise<ScheduleView | undefined> {
    refuseUnknown(options, ["tenant"], "");
    const { schedules } = await this.#host.engine();
    const schedule = await schedules.get(this.#ref(id, options.tenant));
    return schedule === undefined ? undefined : viewSchedule(schedule);
  }

  /** Schedules by tenant and id. */
  async list(query: ScheduleQuery = {}): Promise<Page<ScheduleView>> {
    refuseUnknown(query, ["tenant", "task", "queue", "enabled", "idPrefix", "limit", "cursor"], "");
    const { limit: _, cursor: __, ...filter } = query;
    const { schedules } = await this.#host.engine();
    const tenant = boundTenant(this.#host.tenant, query.tenant);
    for (const name of ["task", "queue", "idPrefix"] as const) checkName(filter[name], name);
    checkFlag(filter.enabled, "enabled");
    const page = await schedules.list({ ...filter, tenant }, checkPage(query));
    return { ...page, items: page.items.map(viewSchedule) };
  }

  /** Removes a schedule; with `cancelPending`, its jobs that have not started too. Answers whether there was one. */
  async remove(
    id: string,
    options: OfTenant & { readonly cancelPending?: boolean; readonly actor?: string } = {},
  ): Promise<boolean> {
    refuseUnknown(options, ["tenant", "cancelPending", "actor"], "");
    const { schedules } = await this.#host.engine();
    const ref = this.#ref(id, options.tenant);
    const { actor } = options;
    const cancelPending = checkFlag(options.cancelPending, "cancelPending");
    const [outcome] = await schedules.remove([{ ...ref, cancelPending, actor }]);
    if (outcome === "removed") this.#host.emitter.emit("schedule:removed", ref);
    return outcome === "removed";
  }

  /** Lets a schedule fire again, from now on: time spent disabled is never caught up. @throws NotFoundError */
  async enable(id: string, options: OfTenant & { readonly actor?: string } = {}): Promise<ScheduleView> {
    refuseUnknown(options, ["tenant", "actor"], "");
    return await this.#modify(this.#ref(id, options.tenant), async () => ({
      enabled: true,
      actor: options.actor,
    }));
  }

  /** Stops a schedule on every replica; with `cancelPending`, its jobs that have not started too. @throws NotFoundError */
  async disable(
    id: string,
    options: OfTenant & { readonly reason?: string; readonly cancelPending?: boolean; readonly actor?: string } = {},
  ): Promise<ScheduleView> {
    refuseUnknown(options, ["tenant", "reason", "cancelPending", "actor"], "");
    const { reason, actor } = options;
    const cancelPending = checkFlag(options.cancelPending, "cancelPending");
    return await this.#modify(this.#ref(id, options.tenant), async () => ({
      enabled: false,
      disabledReason: reason,
      cancelPending,
      actor,
    }));
  }

  /**
   * Makes a job now, or for a stated nominal tick, through the same overlap policy as any tick; the next tick stays.
   * @throws NotFoundError
   */
  async trigger(
    id: string,
    options: OfTenant & { readonly tick?: Date | string; readonly actor?: string } = {},
  ): Promise<Triggered> {
    refuseUnknown(options, ["tenant", "tick", "actor"], "");
    const ref = this.#ref(id, options.tenant);
    const tick = options.tick === undefined ? undefined : checkInstant(options.tick, "tick");
    return await triggerSchedule(this.#host, ref, { tick, actor: options.actor });
  }

  /**
   * Makes the ticks that the schedule had in a range again, through the overlap policy; the next tick stays. Nothing is
   * made when the range has too many ticks, or the tenant no room for the jobs. Many jobs are made in parts: where one
   * fails the error's `details` say how many were `made`, and `madeThrough` which tick.
   * @throws NotFoundError, LimitExceededError
   */
  async backfill(id: string, options: BackfillOptions): Promise<BackfillResult> {
    refuseUnknown(options, backfillOptions, "");
    return await backfillSchedule(this.#host, this.#ref(id, options.tenant), options);
  }

  /** The next ticks of a schedule, computed by the code that fires them. @throws NotFoundError */
  async preview(id: string, options: OfTenant & { readonly count?: number } = {}): Promise<PreviewTick[]> {
    refuseUnknown(options, ["tenant", "count"], "");
    const { schedules } = await this.#host.engine();
    const ref = this.#ref(id, options.tenant);
    const schedule = await schedules.get(ref);
    if (schedule === undefined) throw notFound(ref);
    return previewTicks(schedule, Math.round(this.#host.now()), checkCount(options.count ?? 5));
  }

  /** The next ticks a definition would have if it were saved now, and enabled. */
  async previewOf<Input>(id: string, options: ScheduleOptions<Input>, count = 5): Promise<PreviewTick[]> {
    const put = await this.#build(id, options, "any", "");
    const { schedules } = await this.#host.engine();
    const stored = await schedules.get(put);
    return previewPut(stored, put, Math.round(this.#host.now()), checkCount(count));
  }

  /**
   * The ticks that were fired and skipped, newest first, as long as the audit log is kept; also those of a schedule that
   * has been removed.
   */
  async history(id: string, query: TickQuery = {}): Promise<Page<TickRecord>> {
    refuseUnknown(query, ["tenant", "since", "until", "order", "limit", "cursor"], "");
    return await listTicks(this.#host, this.#ref(id, query.tenant), query);
  }

  async #modify(
    ref: ScheduleRef,
    change: (stored: Schedule) => Promise<Partial<SchedulePut>>,
    expected: ExpectedSchedule = {},
  ): Promise<ScheduleView> {
    return viewSchedule(await updateSchedule(this.#host, ref, expected, change));
  }

  async #put(puts: readonly SchedulePut[]): Promise<PutAnswer[]> {
    return await sendPuts(this.#host, puts);
  }

  #done(put: SchedulePut, answer: PutAnswer | undefined, wasEnabled?: boolean): PutResult {
    const { outcome, schedule } = announcePut(this.#host, put, answer, wasEnabled);
    return { outcome, schedule: viewSchedule(schedule) };
  }

  #ref(id: string, tenant: string | undefined): ScheduleRef {
    return { tenant: boundTenant(this.#host.tenant, tenant) ?? defaults.tenant, id: checkId(id, "id") };
  }

  async #build(id: string, options: ScheduleOptions, expected: "absent" | "any", at: string): Promise<SchedulePut> {
    return await buildPut(this.#host, id, options, expected, at);
  }
}
