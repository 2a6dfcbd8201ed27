// One schedule's step in the making: its ticks pass the overlap gate one after another, and what they do is collected.
import { skippedEvents } from "./audit.ts";
import { missedIn, oneTick, type SkippedTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import type { NewEvent } from "./events.ts";
import type { LimitHit } from "./guardrails.ts";
import { type JobId, operationJobId, tickJobId } from "./id.ts";
import type { NewJob } from "./job.ts";
import { overlapGate } from "./overlap.ts";
import { type HeldTick, isBeyondMax, type OverlapPolicy, type Schedule, type Unfinished } from "./schedule.ts";
import { type DueSchedule, type FiredTick, type FireStep, unchanged } from "./step.ts";

/** A tick at the gate; `missed` is what the schedule says, unless it is given. */
export type ComingTick = Omit<HeldTick, "missed"> & { readonly missed?: number };

/** What is asked of a draft beside the schedule. */
export interface DraftOptions {
  /** The schedule's own by default. */
  readonly overlap?: OverlapPolicy | undefined;
  /** An operator's wish for which there is no room is refused as a whole; a tick is skipped. */
  readonly refusesWithoutRoom?: boolean;
}

export class Draft {
  readonly from: Schedule;
  readonly overlap: OverlapPolicy;
  schedule: Schedule;
  unfinished: readonly Unfinished[];
  /** Jobs that the tenant may still be given; undefined for no limit. */
  room: number | undefined;
  readonly #maxPendingJobs: number;
  readonly #refuses: boolean;
  #isRefused = false;
  readonly #insert: NewJob[] = [];
  readonly #cancel = new Set<JobId>();
  readonly #fired: FiredTick[] = [];
  readonly #skipped: SkippedTicks[] = [];
  /** The tick before was skipped: a run may go on. */
  #inRun = false;

  constructor({ schedule, unfinished, room, maxPendingJobs = 0 }: DueSchedule, options: DraftOptions = {}) {
    this.from = schedule;
    this.schedule = schedule;
    this.unfinished = unfinished;
    this.room = room;
    this.#maxPendingJobs = maxPendingJobs;
    this.overlap = options.overlap ?? schedule.definition.overlap;
    this.#refuses = options.refusesWithoutRoom === true;
  }

  pass(tick: ComingTick): void {
    const gate = overlapGate(this.overlap, this.unfinished, this.schedule.held !== undefined);
    if (gate === "skip") {
      this.skip(oneTick(tick, "overlap"));
      return;
    }
    if (gate === "fire" && !this.#hasRoom()) {
      if (!this.#refuses) {
        this.skip(oneTick(tick, "limit"));
        return;
      }
      // It goes on, so that the step tells what it may have done before, and how far it would go.
      this.#isRefused = true;
    }
    if (this.overlap === "replace") this.#makeRoom();
    const coming: HeldTick = { ...tick, missed: tick.missed ?? this.schedule.missed };
    this.#inRun = false;
    if (gate === "hold") this.schedule = { ...this.schedule, held: coming };
    else this.#fire(coming);
  }

  /** A tick still held though nothing is unfinished (its job vanished with a restored backup, say) fires now. */
  releaseOrphan(now: Millis): void {
    const { held } = this.schedule;
    if (held === undefined || this.unfinished.length > 0) return;
    this.schedule = withoutHeld(this.schedule);
    this.pass({ ...held, dueAt: Math.max(held.dueAt, now) });
    // Ticks between it and those to come have been told.
    this.#inRun = false;
  }

  /** Where as many ticks have fired as may, none is held: earlier versions left it when the limit was lowered. */
  giveUpBeyondMax(): void {
    const { held } = this.schedule;
    if (held === undefined || !isBeyondMax(this.schedule, held)) return;
    this.#inRun = false;
    this.skip(oneTick(held, "late"));
    this.#inRun = false;
    this.schedule = withoutHeld(this.schedule);
  }

  skip(run: SkippedTicks): void {
    const last = this.#skipped.at(-1);
    if (last !== undefined && this.#inRun && isSameKind(last, run) && run.from > last.to) {
      this.#skipped[this.#skipped.length - 1] = joined(last, run);
    } else this.#skipped.push(run);
    this.#inRun = true;
    this.schedule = { ...this.schedule, missed: this.schedule.missed + missedIn([run]) };
  }

  /** The step, with the schedule as it is to be. */
  finish(to: Schedule, now: Millis, actor?: string): FireStep {
    const { from } = this;
    const stamped = this.#fired.length === 0 ? to : { ...to, lastFiredAt: now };
    const held = stamped.held !== from.held ? stamped.held : undefined;
    if (this.#isRefused) {
      const told = { fired: this.#fired, skipped: this.#skipped, ...(held === undefined ? {} : { held }) };
      return { ...unchanged(from), ...told, refused: this.#refusal() };
    }
    return {
      from,
      to: stamped,
      insert: this.#insert,
      cancel: [...this.#cancel],
      fired: this.#fired,
      skipped: this.#skipped,
      ...(held === undefined ? {} : { held }),
      events: tickEvents(from, this.#fired, this.#skipped, now, actor),
    };
  }

  #refusal(): LimitHit {
    const max = this.#maxPendingJobs;
    return { limit: "maxPendingJobs", max, value: max - (this.room ?? 0) };
  }

  /** What has not started makes room, one for one even beyond a limit. */
  #hasRoom(): boolean {
    const freed = this.overlap === "replace" ? pendingIn(this.unfinished) : 0;
    return this.room === undefined || freed > 0 || this.room > 0;
  }

  #fire(coming: HeldTick): void {
    const job = jobOf(this.schedule, coming);
    this.#insert.push(job);
    this.#fired.push(firedTick(coming, job.id));
    if (this.room !== undefined) this.room--;
    // An operation that was held is no tick of the rule.
    if (coming.operation === undefined) this.schedule = countFired(this.schedule, coming);
    if (this.overlap !== "allow") this.unfinished = [...this.unfinished, { id: job.id, state: "pending" }];
  }

  /** The newer tick takes the place of the jobs that are unfinished and of the one that is held. */
  #makeRoom(): void {
    for (const { id } of this.unfinished) this.#cancel.add(id);
    if (this.room !== undefined) this.room += pendingIn(this.unfinished);
    this.unfinished = this.unfinished.filter((job) => job.state === "active");
    const { held } = this.schedule;
    if (held === undefined) return;
    this.#inRun = false;
    this.skip(oneTick(held, "overlap"));
    this.schedule = withoutHeld(this.schedule);
  }
}

function pendingIn(unfinished: readonly Unfinished[]): number {
  return unfinished.filter((job) => job.state === "pending").length;
}

function isSameKind(a: SkippedTicks, b: SkippedTicks): boolean {
  return a.reason === b.reason && a.trigger === b.trigger && a.backfill === b.backfill;
}

function joined(last: SkippedTicks, run: SkippedTicks): SkippedTicks {
  const capped = last.capped === true || run.capped === true;
  return { ...last, to: run.to, count: last.count + run.count, ...(capped ? { capped } : {}) };
}

/** The events of ticks that fired and were skipped; `actor` asked for those that are no tick of the rule. */
export function tickEvents(
  schedule: Schedule,
  fired: readonly FiredTick[],
  skipped: readonly SkippedTicks[],
  now: Millis,
  actor?: string,
): NewEvent[] {
  const about = { tenant: schedule.tenant, schedule: schedule.id, queue: schedule.definition.queue, at: now };
  return [
    ...skipped.flatMap((run) => skippedEvents([run], { ...about, actor: missedIn([run]) === 0 ? actor : undefined })),
    ...fired.map(({ tick, job, dueAt, trigger, backfill }): NewEvent => {
      const kind = { ...(trigger && { trigger: true }), ...(backfill && { backfill: true }) };
      const by = (trigger ?? backfill)?.actor;
      return { ...about, type: "tick:fired", job, actor: by, data: { tick, dueAt, latenessMs: now - tick, ...kind } };
    }),
  ];
}

export function firedTick({ tick, dueAt, operation, backfill, actor }: HeldTick, job: JobId): FiredTick {
  if (operation === undefined) return { tick, job, dueAt };
  return { tick, job, dueAt, ...(backfill === true ? { backfill: { actor } } : { trigger: { actor } }) };
}

/** Those that were missed while it was held are missed still. */
export function countFired(schedule: Schedule, { tick, missed }: HeldTick): Schedule {
  const { ticksFired } = schedule;
  return { ...schedule, ticksFired: ticksFired + 1, lastTick: tick, missed: Math.max(0, schedule.missed - missed) };
}

export function withoutHeld(schedule: Schedule): Schedule {
  const { held: _, ...rest } = schedule;
  return rest;
}

/** The job of a tick; its id is the same whoever makes it, however often. */
export function jobOf(schedule: Schedule, held: HeldTick): NewJob {
  const { definition, tenant, id, incarnation } = schedule;
  return {
    id:
      held.operation === undefined
        ? tickJobId(tenant, incarnation, held.tick)
        : operationJobId(tenant, incarnation, held.operation),
    tenant,
    queue: definition.queue,
    task: definition.task,
    input: definition.input,
    priority: held.priority ?? definition.priority,
    due: { at: held.dueAt },
    attemptsMax: definition.attemptsMax,
    metadata: definition.metadata,
    schedule: { id, incarnation, tick: held.tick, missed: held.missed },
  };
}
