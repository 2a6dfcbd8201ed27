// Why a schedule ticks when it does, or does not: a pure decision from stored facts to plain sentences.
import type { SkipReason } from "../catch-up.ts";
import { defaults } from "../defaults.ts";
import type { StoredEvent } from "../events.ts";
import { offsetMs } from "../firing.ts";
import { type Job, shownState } from "../job.ts";
import { isLeftAlone } from "../retiming.ts";
import type { Rule } from "../rule.ts";
import type { Schedule } from "../schedule.ts";
import { zoneDataIn } from "../zone-rules.ts";
import { at, counted, oneLine, rfc3339, span } from "./words.ts";

/** What an explanation of a schedule is made from. */
export interface ScheduleFacts {
  readonly now: number;
  readonly schedule: Schedule;
  /** Its unfinished jobs, some of them. */
  readonly unfinished: readonly Job[];
  /** Its events, newest first, some of them. */
  readonly events: readonly StoredEvent[];
  readonly allPaused: boolean;
  readonly queuePaused: boolean;
  /** The version of the time zone data of the process that asks, where it is known. */
  readonly zoneData?: string | undefined;
}

/** Runs of ticks that did not fire, told at most. */
const skippedMax = 3;

/** Sentences about a schedule: what it is, when it ticks next or why not, and what became of its last ticks. */
export function explainSchedule(facts: ScheduleFacts): string[] {
  const { schedule } = facts;
  const { id, tenant, definition } = schedule;
  return [
    `Schedule ${id} of tenant ${tenant} makes jobs of task ${definition.task} in queue ${definition.queue}, ${ruleText(definition.rule)}.`,
    ...next(facts),
    ...placed(facts),
    ...gate(facts),
    ...pauses(facts),
    ...failures(schedule),
    ...last(facts),
    ...skipped(facts),
  ];
}

function ruleText(rule: Rule): string {
  switch (rule.kind) {
    case "cron":
      return `by cron ${JSON.stringify(rule.expression)} in ${rule.timezone}`;
    case "every":
      return `every ${span(rule.everyMs)}`;
    case "every-calendar":
      return `by the calendar of ${rule.timezone} from ${rfc3339(rule.anchor)}`;
    case "once":
      return `once, at ${rfc3339(rule.at)}`;
    case "union":
      return `by ${counted(rule.rules.length, "rule")} together`;
    case "except":
      return `${ruleText(rule.rule)}, with exceptions`;
  }
}

function next({ schedule, events, now }: ScheduleFacts): string[] {
  const { cursor, definition, enabled } = schedule;
  if (!enabled) return disabled(schedule, events, now);
  const { nextAt } = cursor;
  if (nextAt === undefined) return [ended(schedule, now)];
  if (nextAt <= now - defaults.tickLateMs) return overdue(schedule, nextAt, now);
  const jitter =
    definition.jitterMs > 0 ? `; by its jitter the job is due ${span(offsetMs(schedule, nextAt))} later` : "";
  const begins =
    definition.startAt !== undefined && definition.startAt > now
      ? [`It begins at ${at(definition.startAt, now)}.`]
      : [];
  return [...begins, `Its next tick is at ${at(nextAt, now)}${jitter}.`, ...bounds(schedule, now)];
}

/** Who fires a tick that newer time zone rules than ours have placed (S13). */
function placed({ schedule, zoneData, now }: ScheduleFacts): string[] {
  const { nextAt, zoneRules } = schedule.cursor;
  if (nextAt === undefined || !isLeftAlone(schedule, zoneData, now)) return [];
  const wait = `${span(defaults.zoneRulesWaitMs)} late`;
  return [
    `Its next tick was placed by time zone data ${zoneDataIn(zoneRules)}, newer than the ${zoneData} of this process: processes that have it fire it, this one only once it is ${wait}.`,
  ];
}

function bounds({ definition: { endAt, maxTicks }, ticksFired }: Schedule, now: number): string[] {
  return [
    ...(endAt === undefined ? [] : [`It ends at ${at(endAt, now)}.`]),
    ...(maxTicks === undefined ? [] : [`It has fired ${ticksFired} of ${counted(maxTicks, "tick")}.`]),
  ];
}

function disabled(
  { disabledReason = "disabled", updatedAt, id }: Schedule,
  events: readonly StoredEvent[],
  now: number,
): string[] {
  const event = events.find(({ type }) => type === "schedule:disabled" || type === "schedule:paused");
  const since = at(event?.at ?? updatedAt, now);
  const by = event?.actor === undefined ? "" : ` by ${event.actor}`;
  return [
    `It makes no jobs: it was disabled at ${since}${by}, because: ${oneLine(disabledReason)}.`,
    `To let it fire again, from then on: punctual schedules enable ${id}`,
  ];
}

function ended({ definition, ticksFired, lastTick }: Schedule, now: number): string {
  const { rule, endAt, maxTicks } = definition;
  if (maxTicks !== undefined && ticksFired >= maxTicks)
    return maxTicks === 1
      ? "It has fired the one tick that it may (maxTicks)."
      : `It has fired all ${maxTicks} ticks that it may (maxTicks).`;
  if (endAt !== undefined) return `It has no further tick before its end at ${at(endAt, now)}.`;
  if (rule.kind !== "once") return "Its rule has no further tick.";
  return lastTick === undefined ? "Its one tick has passed and was not fired." : "Its one tick has fired.";
}

function overdue({ definition: { catchUp, rule } }: Schedule, nextAt: number, now: number): string[] {
  const window = catchUp.windowMs === undefined ? "" : ` no older than ${span(catchUp.windowMs)}`;
  const policy = {
    skip: "catch-up skips the late ones",
    latest: `catch-up fires the newest late one${window}`,
    all: `catch-up fires the newest ${catchUp.limit.toLocaleString("en")} late ones${window}`,
  }[catchUp.policy];
  const then = rule.kind === "once" && catchUp.policy !== "skip" ? "it fires, however late" : policy;
  return [
    `Its tick of ${at(nextAt, now)} is overdue: no process with the role ticker fires it. Start one: punctual serve.`,
    `When one runs, ${then}.`,
  ];
}

/** What the overlap policy makes of unfinished jobs and of a held tick. */
function gate({ schedule, unfinished, now }: ScheduleFacts): string[] {
  const { held, definition } = schedule;
  const job = unfinished[0];
  const sentences: string[] = [];
  if (held !== undefined) {
    const until =
      job === undefined ? "for the unfinished job to end" : `for job ${job.id} to end (${shownState(job, now)})`;
    sentences.push(`Its tick of ${at(held.tick, now)} is held and waits ${until}, by overlap ${definition.overlap}.`);
  } else if (job !== undefined && definition.overlap !== "allow") {
    const then = {
      skip: "a tick that comes before it ends is skipped",
      queue: "a tick that comes before it ends is held, one at most",
      replace: "a tick that comes before it ends takes its place",
    }[definition.overlap];
    sentences.push(`Its job ${job.id} is ${shownState(job, now)}: ${then} (overlap ${definition.overlap}).`);
  }
  if (unfinished.length > 1)
    sentences.push(`${counted(unfinished.length, "of its jobs is", "of its jobs are")} unfinished.`);
  return sentences;
}

function pauses({ schedule, allPaused, queuePaused }: ScheduleFacts): string[] {
  const { queue } = schedule.definition;
  if (allPaused) return ["Everything is paused: it goes on making jobs, and they wait: punctual queues resume --all"];
  if (queuePaused)
    return [`Queue ${queue} is paused: it goes on making jobs, and they wait: punctual queues resume ${queue}`];
  return [];
}

function failures({ failuresInRow, definition: { pauseOnFailure }, enabled }: Schedule): string[] {
  if (failuresInRow === 0 || !enabled) return [];
  const limit = pauseOnFailure === undefined ? "" : `; after ${pauseOnFailure} it is disabled`;
  return [`${counted(failuresInRow, "job")} of it failed in a row${limit}.`];
}

function last({ schedule, events, now }: ScheduleFacts): string[] {
  const fired = events.find(({ type }) => type === "tick:fired");
  if (fired === undefined) {
    if (schedule.lastTick === undefined) return ["It has never fired."];
    return [`Its last tick was that of ${at(schedule.lastTick, now)}.`];
  }
  const tick = numberIn(fired, "tick") ?? fired.at;
  const late = fired.at - tick >= 1_000 ? `, ${span(fired.at - tick)} late` : "";
  const { trigger, backfill } = fired.data ?? {};
  const what =
    trigger === true ? "It was last triggered" : backfill === true ? "It was last backfilled" : "It last fired";
  return [`${what} for ${at(tick, now)}${late}: job ${fired.job}.`];
}

const skipReasons: Readonly<Record<SkipReason, string>> = {
  late: "they were noticed too late, by its catch-up policy",
  overlap: "a job of it was unfinished then",
  disabled: "it was disabled or removed before they fired",
  limit: "its catch-up limit allows no more, or its tenant may have no more jobs",
};

function skipped({ events, now }: ScheduleFacts): string[] {
  return events
    .filter(({ type }) => type === "tick:skipped")
    .slice(0, skippedMax)
    .map((event) => {
      const from = numberIn(event, "from") ?? event.at;
      const to = numberIn(event, "to") ?? from;
      const count = numberIn(event, "count") ?? 1;
      const reason = skipReasons[event.data?.["reason"] as SkipReason] ?? String(event.data?.["reason"]);
      if (count === 1) return `Its tick of ${at(from, now)} was not fired: ${reason.replace(/^they were/, "it was")}.`;
      const more = event.data?.["capped"] === true ? " or more" : "";
      return `${count.toLocaleString("en")}${more} ticks from ${rfc3339(from)} to ${rfc3339(to)} were not fired: ${reason}.`;
    });
}

function numberIn({ data }: StoredEvent, name: string): number | undefined {
  const value = data?.[name];
  return typeof value === "number" ? value : undefined;
}

/** What the audit log says of a schedule that is not there; undefined when it says nothing. */
export function explainRemoved(id: string, events: readonly StoredEvent[], now: number): string[] | undefined {
  const removed = events.find(({ type }) => type === "schedule:removed");
  if (removed === undefined) return undefined;
  return [
    `There is no schedule ${id} any more: it was removed at ${at(removed.at, now)}${removed.actor === undefined ? "" : ` by ${removed.actor}`}.`,
  ];
}
