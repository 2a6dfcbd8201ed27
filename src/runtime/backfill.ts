// `schedules.backfill`: an operator's replay of the ticks that a schedule had in a range, planned before it is made.
import { defaults } from "../core/defaults.ts";
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import type { FireResult } from "../core/engine.ts";
import { InvalidInputError, isPunctualError } from "../core/errors.ts";
import { effectiveGuardrails, horizonLimit, limitError } from "../core/guardrails.ts";
import { mintToken } from "../core/id.ts";
import { checkInstant } from "../core/instant.ts";
import { type Backfill, backfillParts, decideBackfill, dueAfter, planBackfill } from "../core/operations.ts";
import { refuseUnknown } from "../core/options.ts";
import { nextTickOfRule, type OverlapPolicy, type Schedule, type ScheduleRef } from "../core/schedule.ts";
import type { DueSchedule } from "../core/step.ts";
import { type ClientHost, repeatUnknown } from "./client-host.ts";
import { checkPriority, type Priority } from "./enqueue-options.ts";
import { fireOnce, notFound } from "./schedule-operations.ts";
import { checkOverlap } from "./schedule-options.ts";
import { announceFired } from "./ticker.ts";

/** Options of `schedules.backfill`. */
export interface BackfillOptions {
  /** The first instant of the range; a tick at it is in the range. */
  readonly from: Date | string;
  /** The last instant of the range; a tick at it is in the range. Not in the future: those ticks come by themselves. */
  readonly to: Date | string;
  /** Answers what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** For these ticks, instead of the schedule's own policy; with `allow` each becomes a job. */
  readonly overlap?: OverlapPolicy;
  /** Spreads the due times evenly: so many jobs in so long. All are due at once by default. */
  readonly rate?: { readonly count: number; readonly per: Duration };
  /** Of the jobs; the schedule's own by default. */
  readonly priority?: Priority;
  readonly tenant?: string;
  readonly actor?: string;
}

/** The names of the options. */
export const backfillOptions = ["from", "to", "dryRun", "overlap", "rate", "priority", "tenant", "actor"] as const;

/** Some of the range's ticks. */
export interface BackfillShare {
  readonly count: number;
  readonly first?: Date;
  readonly last?: Date;
}

/** What a backfill did, or would do. */
export interface BackfillResult {
  readonly dryRun: boolean;
  /** Those that became jobs. */
  readonly fired: BackfillShare;
  /** The one that waits in the schedule for its unfinished job to end. */
  readonly held: BackfillShare;
  /** Those that the overlap policy let no job be made of. */
  readonly skipped: BackfillShare;
  /** Each tick that became a job; no job in a dry run. */
  readonly ticks: readonly { readonly tick: Date; readonly dueAt: Date; readonly job?: string }[];
}

/**
 * Whatever is known to be refused is refused before anything is made. A long backfill is made in parts: where one fails
 * those before it stay, and the error's `details` say how many jobs were `made`, and `madeThrough` which tick.
 * @throws InvalidInputError, NotFoundError, LimitExceededError, RevisionConflictError, OutcomeUnknownError
 */
export async function backfillSchedule(
  host: ClientHost,
  ref: ScheduleRef,
  options: BackfillOptions,
): Promise<BackfillResult> {
  const asked = checkBackfill(options);
  const { due, now } = await readDue(host, ref, asked.overlap);
  if (asked.to > now + defaults.tickLateMs) {
    throw new InvalidInputError("to must not be in the future: ticks to come fire by themselves", { field: "to" });
  }
  const { schedule } = due;
  const backfill: Backfill = {
    operation: mintToken(host.entropy()),
    incarnation: schedule.incarnation,
    ticks: ticksOf(schedule, asked.from, Math.min(asked.to, now)),
    overlap: asked.overlap ?? schedule.definition.overlap,
    spacingMs: asked.spacingMs,
    priority: asked.priority,
    actor: options.actor,
  };
  const plan = planBackfill(due, backfill, now);
  await checkHorizon(host, ref, plan.at(-1)?.fired.at(-1)?.dueAt, now);
  if (asked.dryRun)
    return resultOf(
      plan.map(({ fired, ...step }) => ({ ...step, ticks: fired })),
      true,
    );
  return resultOf(await makeParts(host, ref, backfill), false);
}

async function makeParts(host: ClientHost, ref: ScheduleRef, backfill: Backfill): Promise<readonly FireResult[]> {
  const results: FireResult[] = [];
  for (const part of backfillParts(backfill)) {
    const dueFrom = dueAfter(
      results.map(({ ticks }) => ({ fired: ticks })),
      backfill,
    );
    try {
      const result = await fireOnce(host, ref, decideBackfill({ ...part, dueFrom }), backfill.overlap);
      announceFired(host.emitter, result, host.now());
      results.push(result);
    } catch (error) {
      throw withMade(error, results);
    }
  }
  return results;
}

/** The same error with what was made before it, as another call from the beginning would make those again. */
function withMade(error: unknown, results: readonly FireResult[]): unknown {
  const made = results.flatMap(({ ticks }) => ticks);
  const last = made.at(-1);
  if (last === undefined || !isPunctualError(error)) return error;
  const madeThrough = new Date(last.tick).toISOString();
  const unknown = error.code === "OUTCOME_UNKNOWN" ? " Some after it may be made, too: schedules.history tells." : "";
  return Object.assign(error, {
    mend: `${made.length} jobs were made, for the ticks up to ${madeThrough}: backfill those after it.${unknown}`,
    details: { ...error.details, made: made.length, madeThrough },
  });
}

function checkBackfill({ from, to, dryRun = false, overlap, rate, priority }: BackfillOptions) {
  const range = { from: checkInstant(from, "from"), to: checkInstant(to, "to") };
  if (range.to < range.from) throw new InvalidInputError("to must not be before from", { field: "to" });
  if (typeof dryRun !== "boolean") {
    throw new InvalidInputError(`dryRun must be true or false, got ${shown(dryRun)}`, { field: "dryRun" });
  }
  return {
    ...range,
    dryRun,
    overlap: overlap === undefined ? undefined : checkOverlap(overlap, "overlap"),
    spacingMs: rate === undefined ? undefined : checkRate(rate),
    priority: priority === undefined ? undefined : checkPriority(priority, "priority"),
  };
}

function checkRate(rate: NonNullable<BackfillOptions["rate"]>): number {
  refuseUnknown(rate, ["count", "per"], "rate");
  if (!Number.isInteger(rate.count) || rate.count < 1) {
    throw new InvalidInputError(`rate.count must be a whole number of 1 or more, got ${shown(rate.count)}`, {
      field: "rate.count",
    });
  }
  return parseDuration(rate.per, "rate.per", { minMs: 1 }) / rate.count;
}

/** The schedule with what the overlap gate looks at, read in one step that changes nothing. */
async function readDue(
  host: ClientHost,
  ref: ScheduleRef,
  overlap: OverlapPolicy | undefined,
): Promise<{ readonly due: DueSchedule; readonly now: number }> {
  const { schedules } = await host.engine();
  let read: { readonly due: DueSchedule; readonly now: number } | undefined;
  await repeatUnknown(host, [ref.id], () =>
    schedules.fire({
      limit: 1,
      only: [ref],
      guardrails: host.guardrails,
      overlap,
      decide: ([due], now) => {
        read = due === undefined ? undefined : { due, now };
        return [];
      },
    }),
  );
  if (read === undefined) throw notFound(ref);
  return read;
}

/** The rule's ticks in the range, however many have fired. */
function ticksOf(schedule: Schedule, from: number, to: number): number[] {
  const ticks: number[] = [];
  const { backfillTicksMax } = defaults;
  for (let tick = nextTickOfRule(schedule, from - 1); tick !== undefined && tick <= to; ) {
    if (ticks.length === backfillTicksMax) {
      throw new InvalidInputError(
        `the range from ${new Date(from).toISOString()} to ${new Date(to).toISOString()} has more than ${backfillTicksMax} ticks (backfillTicksMax)`,
        { field: "to", details: { backfillTicksMax }, mend: "Backfill the range in several parts." },
      );
    }
    ticks.push(tick);
    tick = nextTickOfRule(schedule, tick);
  }
  return ticks;
}

/** A rate may spread jobs further ahead than the tenant may plan. */
async function checkHorizon(
  host: ClientHost,
  { tenant }: ScheduleRef,
  dueAt: number | undefined,
  now: number,
): Promise<void> {
  const [record] = await (await host.engine()).tenants.get([tenant]);
  const hit = horizonLimit(dueAt ?? now, effectiveGuardrails(record?.guardrails, host.guardrails), now);
  if (hit !== undefined) throw limitError(hit, tenant);
}

function resultOf(results: readonly Pick<FireResult, "ticks" | "skipped" | "held">[], dryRun: boolean): BackfillResult {
  const fired = results.flatMap(({ ticks }) => ticks);
  const held = results.flatMap((result) => (result.held?.backfill === true ? [result.held.tick] : []));
  const skipped = results.flatMap((result) => result.skipped).filter(({ backfill }) => backfill === true);
  return {
    dryRun,
    fired: share(fired.map(({ tick }) => ({ from: tick, to: tick, count: 1 }))),
    held: share(held.map((tick) => ({ from: tick, to: tick, count: 1 }))),
    skipped: share(skipped),
    ticks: fired.map(({ tick, dueAt, job }) => ({
      tick: new Date(tick),
      dueAt: new Date(dueAt),
      ...(dryRun ? {} : { job }),
    })),
  };
}

function share(runs: readonly { readonly from: number; readonly to: number; readonly count: number }[]): BackfillShare {
  const [first] = runs;
  const last = runs.at(-1);
  if (first === undefined || last === undefined) return { count: 0 };
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  return { count, first: new Date(first.from), last: new Date(last.to) };
}
