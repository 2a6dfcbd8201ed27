// `scheduler.schedules`: create, ensure, update, preview, trigger and the rest.

import { parseCron } from "../core/cron/grammar.ts";
import { cronNote } from "../core/cron/next.ts";
import { getZone } from "../core/cron/zone.ts";
import { defaults } from "../core/defaults.ts";
import { shown } from "../core/duration.ts";
import type { FireResult, PutAnswer } from "../core/engine.ts";
import { AlreadyExistsError, InvalidInputError, NotFoundError, RevisionConflictError } from "../core/errors.ts";
import type { EventFilter } from "../core/events.ts";
import { decideTrigger, offsetMs } from "../core/firing.ts";
import { limitError } from "../core/guardrails.ts";
import { mintToken } from "../core/id.ts";
import { checkInstant } from "../core/instant.ts";
import { checkFlag, refuseUnknown } from "../core/options.ts";
import { checkPage, type Order, type Page, type PageRequest } from "../core/page.ts";
import { canonicalJson } from "../core/payload.ts";
import {
  nextTickOf,
  planPut,
  type Schedule,
  type ScheduleDefinition,
  type SchedulePut,
  type ScheduleRef,
} from "../core/schedule.ts";
import { checkId } from "../core/tenant.ts";
import { seedOf } from "../core/tick.ts";
import { boundTenant, type ClientHost, checkName, repeatUnknown } from "./client-host.ts";
import { checkOrder } from "./events-client.ts";
import {
  defineSchedule,
  mergeDefinition,
  neverTicks,
  type ScheduleOptions,
  scheduleOptions,
  ticksAgain,
} from "./schedule-options.ts";
import { type TickRecord, viewTick } from "./tick-history.ts";
import { announceFired } from "./ticker.ts";
import { type ScheduleView, viewSchedule } from "./views.ts";

/** One of `ensureMany`. */
export interface ScheduleItem extends ScheduleOptions {
  readonly id: string;
}

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

/** Which ticks of a schedule's history. */
export interface TickQuery extends PageRequest {
  readonly tenant?: string;
  /** Fired or skipped from this instant on, and with it. */
  readonly since?: Date | string;
  /** Fired or skipped before this instant, and without it. */
  readonly until?: Date | string;
  /** "newest" first by default. */
  readonly order?: Order;
}

/** A coming tick. */
export interface PreviewTick {
  /** The nominal instant. */
  readonly tick: Date;
  /** When its job is due: the tick plus this schedule's jitter. */
  readonly dueAt: Date;
  /** What a clock change does to it, if one does. */
  readonly note?: string;
}

/** What a trigger did: `held` waits for the unfinished job, `skipped` found one. */
export type Triggered =
  | { readonly outcome: "fired"; readonly job: string; readonly dueAt: Date }
  | { readonly outcome: "held" | "skipped" };

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
  async ensureMany(items: readonly ScheduleItem[], by: ByActor = {}): Promise<PutResult[]> {
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
   * Changes a schedule. With `revision` (of the schedule as it was read) a change made meanwhile is not overwritten.
   * @throws NotFoundError, RevisionConflictError
   */
  async update<Input>(
    id: string,
    changes: Partial<ScheduleOptions<Input>>,
    options: { readonly revision?: number; readonly actor?: string } = {},
  ): Promise<ScheduleView> {
    refuseUnknown(changes, scheduleOptions, "");
    refuseUnknown(options, ["revision", "actor"], "");
    const ref = this.#ref(id, changes.tenant);
    return await this.#modify(ref, options.revision, async (stored) => {
      const definition = await mergeDefinition(this.#host, ref, stored.definition, changes as Partial<ScheduleOptions>);
      return { definition, actor: options.actor };
    });
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
    return await this.#modify(this.#ref(id, options.tenant), undefined, async () => ({
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
    return await this.#modify(this.#ref(id, options.tenant), undefined, async () => ({
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
    const decide = decideTrigger(mintToken(this.#host.entropy()), tick, options.actor);
    const result = await this.#fireOnce(ref, decide);
    announceFired(this.#host.emitter, result, this.#host.now());
    const fired = result.ticks[0];
    if (fired !== undefined) return { outcome: "fired", job: fired.job, dueAt: new Date(fired.dueAt) };
    return { outcome: result.held === undefined ? "skipped" : "held" };
  }

  /** The next ticks of a schedule, computed by the code that fires them. @throws NotFoundError */
  async preview(id: string, options: OfTenant & { readonly count?: number } = {}): Promise<PreviewTick[]> {
    refuseUnknown(options, ["tenant", "count"], "");
    const { schedules } = await this.#host.engine();
    const ref = this.#ref(id, options.tenant);
    const schedule = await schedules.get(ref);
    if (schedule === undefined) throw notFound(ref);
    // A disabled one would go on from the moment it is enabled.
    const after = schedule.enabled ? schedule.cursor.after : Math.round(this.#host.now());
    return previewTicks(schedule, after, checkCount(options.count ?? 5));
  }

  /** The next ticks a definition would have if it were saved now. */
  async previewOf<Input>(id: string, options: ScheduleOptions<Input>, count = 5): Promise<PreviewTick[]> {
    const put = await this.#build(id, options, "any", "");
    const plan = planPut(undefined, put, Math.round(this.#host.now()));
    return plan.outcome === "created" ? previewTicks(plan.schedule, plan.schedule.cursor.after, checkCount(count)) : [];
  }

  /**
   * The ticks that were fired and skipped, newest first, as long as the audit log is kept; also those of a schedule that
   * has been removed.
   */
  async history(id: string, query: TickQuery = {}): Promise<Page<TickRecord>> {
    refuseUnknown(query, ["tenant", "since", "until", "order", "limit", "cursor"], "");
    const { tenant, id: schedule } = this.#ref(id, query.tenant);
    const filter: EventFilter = {
      tenant,
      schedule,
      types: ["tick:fired", "tick:skipped"],
      from: query.since === undefined ? undefined : checkInstant(query.since, "since"),
      before: query.until === undefined ? undefined : checkInstant(query.until, "until"),
    };
    const asked = { ...checkPage(query), order: checkOrder(query.order) };
    const { events } = await this.#host.engine();
    const page = await events.list(filter, asked);
    return { ...page, items: page.items.flatMap((event) => viewTick(event) ?? []) };
  }

  async #fireOnce(ref: ScheduleRef, decide: ReturnType<typeof decideTrigger>): Promise<FireResult> {
    const { schedules } = await this.#host.engine();
    // A step is dropped when the schedule fires at this very moment: the operator's wish is then decided anew.
    for (let tries = 0; tries < conflictTries; tries++) {
      let found = false;
      const { fired } = await repeatUnknown(this.#host, [ref.id], () =>
        schedules.fire({
          limit: 1,
          only: [ref],
          decide: (due, now) => {
            found = due.length > 0;
            return decide(due, now);
          },
        }),
      );
      const [result] = fired;
      if (result !== undefined) return result;
      if (!found) throw notFound(ref);
    }
    throw new RevisionConflictError(`schedule ${ref.id} kept changing while it was triggered`, { field: "id" });
  }

  async #modify(
    ref: ScheduleRef,
    revision: number | undefined,
    change: (stored: Schedule) => Promise<Partial<SchedulePut>>,
  ): Promise<ScheduleView> {
    const { schedules } = await this.#host.engine();
    for (let tries = 0; tries < conflictTries; tries++) {
      const stored = await schedules.get(ref);
      if (stored === undefined) throw notFound(ref);
      if (revision !== undefined && revision !== stored.revision) throw staleRevision(ref, revision, stored.revision);
      const { definition, incarnation } = stored;
      const put: SchedulePut = {
        ...ref,
        incarnation,
        definition,
        ...(await change(stored)),
        expected: stored.revision,
      };
      const [answer] = await this.#put([put]);
      if (answer?.outcome === "absent") throw notFound(ref);
      if (answer?.outcome !== "conflict") return this.#done(put, answer, stored.enabled).schedule;
    }
    throw new RevisionConflictError(`schedule ${ref.id} kept changing while it was updated`, { field: "revision" });
  }

  /** A rule that has come to its end is refused, unless it is the one that is stored: ensure may go on naming it. */
  async #refuseEnded(ref: ScheduleRef, definition: ScheduleDefinition, field: string): Promise<void> {
    if (ticksAgain(this.#host, definition, ref)) return;
    const { schedules } = await this.#host.engine();
    const stored = await schedules.get(ref);
    const timesOf = ({ rule, startAt, endAt }: ScheduleDefinition) => canonicalJson({ rule, startAt, endAt });
    if (stored === undefined || timesOf(stored.definition) !== timesOf(definition)) throw neverTicks(field);
  }

  async #put(puts: readonly SchedulePut[]): Promise<PutAnswer[]> {
    const { schedules } = await this.#host.engine();
    const ids = puts.map((put) => put.id);
    return await repeatUnknown(this.#host, ids, () => schedules.put(puts, this.#host.guardrails));
  }

  #done(put: SchedulePut, answer: PutAnswer | undefined, wasEnabled?: boolean): PutResult {
    if (answer?.outcome === "limit") throw limitError(answer, put.tenant);
    if (answer === undefined || answer.outcome === "conflict" || answer.outcome === "absent") {
      throw new RevisionConflictError(`schedule ${put.id} changed at the same time`, { field: "id" });
    }
    const { outcome, schedule } = answer;
    const about = { id: put.id, tenant: put.tenant };
    const { emitter } = this.#host;
    if (outcome === "created") emitter.emit("schedule:created", about);
    if (outcome === "updated" && wasEnabled !== undefined && wasEnabled !== schedule.enabled) {
      emitter.emit(schedule.enabled ? "schedule:enabled" : "schedule:disabled", about);
    } else if (outcome === "updated") emitter.emit("schedule:updated", about);
    return { outcome, schedule: viewSchedule(schedule) };
  }

  #ref(id: string, tenant: string | undefined): ScheduleRef {
    return { tenant: boundTenant(this.#host.tenant, tenant) ?? defaults.tenant, id: checkId(id, "id") };
  }

  async #build(id: string, options: ScheduleOptions, expected: "absent" | "any", at: string): Promise<SchedulePut> {
    refuseUnknown(options, scheduleOptions, at);
    const path = (name: string) => (at === "" ? name : `${at}.${name}`);
    const ref = {
      tenant: boundTenant(this.#host.tenant, options.tenant, path("tenant")) ?? defaults.tenant,
      id: checkId(id, path("id")),
    };
    const definition = await defineSchedule(this.#host, options, ref, path);
    await this.#refuseEnded(ref, definition, path("when"));
    return { ...ref, incarnation: mintToken(this.#host.entropy()), definition, expected };
  }
}

/** How often a change that lost a race is made again before the caller is told. */
const conflictTries = 20;

/** The next ticks after an instant, with jitter and what clock changes do to them. */
function previewTicks(schedule: Schedule, after: number, count: number): PreviewTick[] {
  const ticks: PreviewTick[] = [];
  let tick = nextTickOf(schedule, after);
  while (tick !== undefined && ticks.length < count) {
    const note = noteOf(schedule, tick);
    ticks.push({
      tick: new Date(tick),
      dueAt: new Date(tick + offsetMs(schedule, tick)),
      ...(note === undefined ? {} : { note }),
    });
    const fired = schedule.ticksFired + ticks.length;
    const { maxTicks } = schedule.definition;
    tick = maxTicks !== undefined && fired >= maxTicks ? undefined : nextTickOf(schedule, tick);
  }
  return ticks;
}

function noteOf({ definition, tenant, id }: Schedule, tick: number): string | undefined {
  const { rule } = definition;
  if (rule.kind !== "cron") return undefined;
  return cronNote(parseCron(rule.expression, seedOf(tenant, id)), getZone(rule.timezone), tick, rule)?.text;
}

function notFound({ id }: ScheduleRef): NotFoundError {
  return new NotFoundError(`there is no schedule ${id}`, { field: "id" });
}

function staleRevision({ id }: ScheduleRef, given: number, stored: number): RevisionConflictError {
  return new RevisionConflictError(`schedule ${id} is at revision ${stored}, not ${given}`, {
    field: "revision",
    details: { given, stored },
  });
}

function checkCount(count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= 10_000) return count;
  throw new InvalidInputError(`count must be a whole number from 1 to 10,000, got ${shown(count)}`, { field: "count" });
}
