// Where the contract leaves engines free, in one place: what is made the same before two answers are compared. All else
// must be equal to the letter, down to the order of lists.

import type { Millis } from "../../src/core/clock.ts";
import type { ClaimAnswer } from "../../src/core/engine.ts";
import type { StoredEvent } from "../../src/core/events.ts";
import { isFinished, type Job, shownState } from "../../src/core/job.ts";
import { everyQueue, type LaneCounts, type RateLimit, type RateWindow, rateAllowance } from "../../src/core/queue.ts";
import type { ItemOf, TransferKind } from "../../src/core/transfer.ts";
import type { Call } from "./call.ts";
import type { Observation } from "./observe.ts";
import type { Subject } from "./side-by-side.ts";

/**
 * The answers of the specification and of another engine as they are compared:
 * - members that are absent and those that are undefined are the same;
 * - `ref` is the engine's own word for where a lease lies;
 * - flags of a job that are false, or speak of a lease that is over, may be absent (core/transfer-page.ts says the same);
 * - the ids of events and the places of jobs in the order of insertion grow, with gaps where a step was undone: inside a
 *   list they are told by their rank, and the last id that was given only by being none of the future;
 * - lanes are counted in no order;
 * - the place of a lane in the fair share is of account once a claim has seen that it has due jobs: it enters anew then;
 * - claims that a rate no longer counts may be forgotten or not;
 * - where an engine shares a queue among its lanes within J12's bound only, a claim's jobs are in order lane by lane, and
 *   places in the fair share are its own; such sequences have claims that take all there is (see Plan.wide);
 * - to a claim, something to claim in the past is something to claim now, and a later look may come early;
 * - a queue may be trimmed to what retention keeps as jobs end, so that a purge finds less to delete.
 */
export function comparable(call: Call, model: unknown, subject: unknown, frame: Frame): readonly [unknown, unknown] {
  if (call.op === "jobs.claim") {
    const first = claimed(model as ClaimAnswer, frame);
    return [plain(first), plain(earlyAsFirst(claimed(subject as ClaimAnswer, frame), first, frame.now))];
  }
  return [comparableByItself(call, model, frame), comparableByItself(call, subject, frame)];
}

/** The circumstances of a call. */
export interface Frame extends Pick<Subject, "sharesAlike"> {
  readonly now: Millis;
}

function comparableByItself(call: Call, answer: unknown, { sharesAlike }: Frame): unknown {
  if (call.op === "jobs.stats") return sortedLanes(answer);
  if (call.op === "jobs.purge" && call.request.finished === undefined) return {};
  if (call.op !== "observe") return plain(answer);
  const seen = answer as Observation;
  return plain({ ...seen, stats: sortedLanes(seen.stats), items: comparableItems(seen, call.shares && sharesAlike) });
}

function claimed({ nextDueAt, slotsWanted, jobs, ...answer }: ClaimAnswer, { now, sharesAlike }: Frame): ClaimAnswer {
  return {
    ...answer,
    jobs: sharesAlike
      ? jobs
      : jobs.toSorted((a, b) => (laneName(a) < laneName(b) ? -1 : laneName(a) > laneName(b) ? 1 : 0)),
    ...(nextDueAt === undefined ? {} : { nextDueAt: Math.max(nextDueAt, now) }),
    ...(slotsWanted === true ? { slotsWanted } : {}),
  };
}

/** A look that comes early is at once only after a claim that gave something: else the worker would look without a pause. */
function earlyAsFirst(
  answer: ClaimAnswer,
  { nextDueAt = Number.POSITIVE_INFINITY }: ClaimAnswer,
  now: Millis,
): ClaimAnswer {
  const isEarly = answer.nextDueAt !== undefined && answer.nextDueAt < nextDueAt;
  if (!isEarly || (answer.nextDueAt === now && answer.jobs.length === 0)) return answer;
  return { ...answer, nextDueAt: Number.isFinite(nextDueAt) ? nextDueAt : undefined };
}

/** `shares`: a claim has just looked at all queues, and has made ready what is due in those that are not paused. */
function comparableItems({ items, now }: Observation, shares: boolean): readonly unknown[] {
  const paused = new Set(
    items.flatMap((item) => (item.kind === "queue" && item.queue.paused ? [item.queue.name] : [])),
  );
  const due = items.flatMap((item) =>
    item.kind === "job" && shownState(item.job, now) === "waiting" ? [item.job] : [],
  );
  const busy = new Set(due.filter(({ queue }) => !paused.has(queue) && !paused.has(everyQueue)).map(laneName));
  return items.map((item) => {
    if (item.kind === "lane" && !(shares && busy.has(laneName(item)))) return { ...item, pass: undefined };
    if (item.kind === "queue") return { ...item, window: liveWindow(item.queue, item.window, now) };
    return item.kind === "tenant" ? { ...item, window: liveWindow(item.tenant, item.window, now) } : item;
  });
}

function liveWindow({ rate }: { readonly rate?: RateLimit | undefined }, window: RateWindow, now: Millis): RateWindow {
  return rate === undefined ? [] : rateAllowance(rate, window, now).window;
}

function laneName({ queue, tenant }: { readonly queue: string; readonly tenant: string }): string {
  return `${queue}\n${tenant}`;
}

function sortedLanes(answer: unknown): unknown {
  const lanes = answer as readonly LaneCounts[];
  return plain(lanes.toSorted((a, b) => (laneName(a) < laneName(b) ? -1 : 1)));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return ranked(value).map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(isJob(value) ? plainJob(value) : value);
  return Object.fromEntries(
    entries.flatMap(([name, member]) => (member === undefined || name === "ref" ? [] : [[name, plain(member)]])),
  );
}

/** A list of events, or of a whole store's items, with ranks for numbers. */
function ranked(list: readonly unknown[]): readonly unknown[] {
  const events = ranks(list.flatMap((one) => (isEvent(one) ? [one.id] : isItem(one, "event") ? [one.event.id] : [])));
  const seqs = ranks(list.flatMap((one) => (isItem(one, "job") ? [one.seq] : [])));
  return list.map((one) => {
    if (isEvent(one)) return { ...one, id: events.get(one.id) };
    if (isItem(one, "event")) return { ...one, event: { ...one.event, id: events.get(one.event.id) } };
    if (isItem(one, "job")) return { ...one, seq: seqs.get(one.seq) };
    if (isItem(one, "eventSequence"))
      return { kind: one.kind, isPast: [...events.keys()].every((id) => id <= one.lastId) };
    return one;
  });
}

function ranks(numbers: readonly number[]): ReadonlyMap<number, number> {
  return new Map([...numbers].sort((a, b) => a - b).map((number, rank) => [number, rank]));
}

function isEvent(value: unknown): value is StoredEvent {
  return typeof value === "object" && value !== null && "type" in value && "id" in value && "at" in value;
}

function isItem<Kind extends TransferKind>(value: unknown, kind: Kind): value is ItemOf<Kind> {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}

function isJob(value: object): value is Job {
  return "attempts" in value && "priority" in value && "state" in value;
}

function plainJob({ started, cancelRequested, successor, worker, claimedAt, leaseUntil, ...job }: Job): Partial<Job> {
  const flags = {
    ...(cancelRequested === true ? { cancelRequested } : {}),
    ...(successor === true ? { successor } : {}),
  };
  return isFinished(job.state) ? { ...job, ...flags } : { ...job, ...flags, started, worker, claimedAt, leaseUntil };
}
