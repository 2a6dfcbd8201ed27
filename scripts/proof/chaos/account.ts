// What a store, the journals and the processes' own words say after a round of chaos: counts, and everything that is not
// as it must be. Nothing here knows which fault struck.
import type { StoredEvent } from "../../../src/core/events.ts";
import type { Job } from "../../../src/core/job.ts";
import { doubled, missingTicks, nameOfTick, tickOfEvent } from "../tick-account.ts";
import { brokenSequences } from "./effects.ts";
import type { Request } from "./load.ts";
import { lossAccount } from "./loss-account.ts";
import { type Account, named, type Remains, unequal } from "./remains.ts";

/** Adds up a round. */
export function accountOf(remains: Remains): Account {
  const accounts = [
    jobAccount(remains),
    effectAccount(remains),
    tickAccount(remains),
    errorAccount(remains),
    lossAccount(remains),
  ];
  return {
    counts: Object.assign({}, ...accounts.map(({ counts }) => counts)),
    shortcomings: accounts.flatMap(({ shortcomings }) => shortcomings),
  };
}

/** Every accepted job is stored once and has ended once; nothing is left over. */
function jobAccount({ effects, jobs, events, stats, auditsAll }: Remains): Account {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const accepted = effects.filter(({ kind }) => kind === "accepted");
  const acceptedIds = [...new Set(accepted.map(({ job = "" }) => job))];
  const ofState = (state: Job["state"]) => jobs.filter((job) => job.state === state);
  const superseded = ofState("failed").filter(({ endCause }) => endCause === "superseded");
  const replaced = ofState("cancelled").filter(({ schedule }) => schedule !== undefined);
  const completedEvents = events.filter(({ type }) => type === "job:completed").map(({ job = "" }) => job);
  const inLog = new Set(completedEvents);
  const { totals } = stats;
  const shortcomings = [
    ...named(
      "accepted and not completed",
      acceptedIds.flatMap((id) => {
        const job = byId.get(id);
        return job === undefined || isWell(job) ? [] : [`${id} is ${job.state} (${job.endCause ?? job.reason})`];
      }),
    ),
    ...named("listed twice", doubled(jobs.map(({ id }) => id))),
    ...named("requests stored as two jobs", doubled(jobs.flatMap((job) => requestOf(job)))),
    ...named(
      "not ended",
      [...ofState("pending"), ...ofState("active")].map(({ id, state }) => `${id} is ${state}`),
    ),
    ...named("not ended once", jobs.filter((job) => job.state === "completed").flatMap(oddEnd)),
    ...(auditsAll ? named("completed twice in the log", doubled(completedEvents)) : []),
    ...(auditsAll
      ? named(
          "completed and not in the log",
          ofState("completed").flatMap(({ id }) => (inLog.has(id) ? [] : [id])),
        )
      : []),
    ...unequal("completed: total and rows", totals.completed, ofState("completed").length),
    ...unequal("failed: total and rows", totals.failed, ofState("failed").length),
    ...unequal("cancelled: total and rows", totals.cancelled, ofState("cancelled").length),
    ...unequal("counted as waiting, delayed or active", stats.waiting + stats.delayed + stats.active, 0),
  ];
  const counts = {
    "jobs in the store": jobs.length,
    "accepted by producers": acceptedIds.length,
    "of them timers": accepted.filter(({ text }) => text === "timer").length,
    "completed, once each": ofState("completed").length,
    "superseded by their key's next job": superseded.length,
    "cancelled by a tick that replaces": replaced.length,
  };
  return { counts, shortcomings };
}

/** Ended as the load lets jobs end: done, or given way to another of the same key or schedule. */
function isWell({ state, endCause, schedule }: Job): boolean {
  if (state === "completed") return true;
  return state === "failed" ? endCause === "superseded" : state === "cancelled" && schedule !== undefined;
}

/** The request that made a job that nobody can have replaced. */
function requestOf(job: Job): string[] {
  if (job.key !== undefined || job.schedule !== undefined) return [];
  const input = JSON.parse(job.input) as Partial<Request> | null;
  return input?.by === undefined ? [] : [`${input.by} ${input.n}`];
}

/** A completed job has one completed attempt, its last, whose output it keeps: no late settlement got through. */
function oddEnd(job: Job): string[] {
  const completed = job.attempts.filter(({ outcome }) => outcome === "completed").map(({ attempt }) => attempt);
  const output = JSON.parse(job.output ?? "null") as { readonly attempt?: number } | null;
  const isOne = completed.length === 1 && completed[0] === job.attempt && output?.attempt === job.attempt;
  return isOne ? [] : [`${job.id}: attempt ${job.attempt}, completed ${completed}, output of ${output?.attempt}`];
}

/** The journals are whole, no attempt began twice or early, and nothing was completed without its effect. */
function effectAccount({ effects, jobs }: Remains): Account {
  const started = effects.filter(({ kind }) => kind === "started");
  const done = effects.filter(({ kind }) => kind === "done");
  const perJob = new Map<string, number>();
  for (const { job = "" } of done) perJob.set(job, (perJob.get(job) ?? 0) + 1);
  const shortcomings = [
    ...named("journals with a hole", brokenSequences(effects)),
    ...named(
      "completed without an effect",
      jobs.flatMap(({ id, state }) => (state === "completed" && !perJob.has(id) ? [id] : [])),
    ),
  ];
  const counts = {
    "attempts begun": started.length,
    effects: done.length,
    "jobs whose effect came again, as the fault came before the settle": [...perJob.values()].filter((n) => n > 1)
      .length,
    "attempts that learned that their lease was lost": effects.filter(({ kind }) => kind === "lease-lost").length,
  };
  return { counts, shortcomings };
}

/** Each tick fired once or was skipped for a reason, and made one job. */
function tickAccount({ jobs, events, schedules }: Remains): Account {
  const fired = events.filter(({ type }) => type === "tick:fired");
  const skipped = events.filter(({ type }) => type === "tick:skipped");
  const moved = events.flatMap(movedPast);
  const ids = new Set(jobs.map(({ id }) => id));
  const firedJobs = new Set(fired.map(({ job }) => job));
  const ofTicks = jobs.flatMap((job) => (job.schedule === undefined ? [] : [{ ...job, schedule: job.schedule }]));
  const shortcomings = [
    ...named(
      "ticks fired twice",
      doubled(fired.map((event) => nameOfTick(event.tenant, event.schedule, tickOfEvent(event)))),
    ),
    ...named(
      "ticks fired without a job",
      fired.flatMap(({ job = "" }) => (ids.has(job) ? [] : [job])),
    ),
    ...named(
      "ticks with two jobs",
      doubled(ofTicks.map(({ tenant, schedule }) => nameOfTick(tenant, schedule.id, schedule.tick))),
    ),
    ...named(
      "jobs of a tick that is not recorded as fired",
      ofTicks.flatMap(({ id }) => (firedJobs.has(id) ? [] : [id])),
    ),
    ...named(
      "ticks missing",
      schedules.flatMap((schedule) => missingTicks(schedule, [...events, ...moved])),
    ),
  ];
  const skippedCount = skipped.reduce((sum, { data }) => sum + Number(data?.["count"]), 0);
  const counts = { "ticks fired": fired.length, "ticks skipped, with a reason": skippedCount };
  return {
    counts:
      moved.length === 0
        ? counts
        : { ...counts, "schedules moved past ticks that the store had forgotten": moved.length },
    shortcomings,
  };
}

/** A store that had forgotten ticks has passed them over: as if it had skipped them. */
function movedPast(event: StoredEvent): StoredEvent[] {
  const { type, data } = event;
  const forgot = type === "schedule:retimed" && String(data?.["reason"]).startsWith("the store had forgotten");
  return forgot
    ? [{ ...event, type: "tick:skipped", data: { from: data?.["before"], to: Number(data?.["after"]) - 1 } }]
    : [];
}

/**
 * What workers may say: that the store was away, or answered a claim when its lease had all but ended; or that the machine has
 * not let them run.
 */
const expectedWords =
  /: (?:NOT_WRITTEN|OUTCOME_UNKNOWN): |: job \S+ was claimed so late |: the event loop was blocked for /;

/** Workers say nothing else, and nobody runs in circles. */
function errorAccount({ effects }: Remains): Account {
  const errors = effects.filter(({ kind }) => kind === "error");
  const ofProcess = new Map<number, number>();
  for (const { pid } of errors) ofProcess.set(pid, (ofProcess.get(pid) ?? 0) + 1);
  const shortcomings = [
    ...named(
      "errors that are not of an absent store",
      errors.flatMap(({ text = "" }) => (expectedWords.test(text) ? [] : [text])),
    ),
    ...named(
      "processes that ran in circles",
      [...ofProcess].flatMap(([pid, count]) => (count > 200 ? [`${pid}: ${count} errors`] : [])),
    ),
  ];
  return { counts: { "errors told while the store was away": errors.length }, shortcomings };
}
