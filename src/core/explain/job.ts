// Why a job will run, did not run, or ended as it did: a pure decision from stored facts to plain sentences.
import { defaults } from "../defaults.ts";
import type { StoredEvent } from "../events.ts";
import type { AttemptRecord, Job } from "../job.ts";
import { shownState } from "../job.ts";
import { rateSliceMs } from "../queue.ts";
import type { JobStanding } from "../standing.ts";
import { at, counted, errorText, oneLine, rfc3339, span } from "./words.ts";

/** What an explanation of a job is made from. */
export interface JobFacts extends JobStanding {
  /** The job's events, newest first. */
  readonly events: readonly StoredEvent[];
  /** The last change of the pause that holds it: of everything, or of its queue. */
  readonly pause?: StoredEvent | undefined;
  /** Jobs ahead are counted up to here. */
  readonly aheadMax: number;
}

/** Sentences about a job, the state first, then what it waits for or how it ended. */
export function explainJob(facts: JobFacts): string[] {
  const { job, now } = facts;
  return [headline(job, now), ...origin(job, now), ...byState(facts), ...successorOf(facts)];
}

function headline(job: Job, now: number): string {
  const key = job.key === undefined ? "" : `, key ${job.key}`;
  return `Job ${job.id} is ${shownState(job, now)}: task ${job.task}, queue ${job.queue}, tenant ${job.tenant}${key}.`;
}

function origin({ schedule }: Job, now: number): string[] {
  if (schedule === undefined) return [];
  const missed = schedule.missed > 0 ? `; ${counted(schedule.missed, "tick")} before it did not fire` : "";
  return [`Schedule ${schedule.id} made it for the tick of ${at(schedule.tick, now)}${missed}.`];
}

function byState(facts: JobFacts): string[] {
  switch (facts.job.state) {
    case "pending":
      return pending(facts);
    case "active":
      return active(facts);
    default:
      return finished(facts);
  }
}

function pending(facts: JobFacts): string[] {
  const { job, now, holder } = facts;
  const past = history(job);
  if (job.successor === true) {
    return [
      `It waits for the key ${job.key}: job ${holder ?? "(unknown)"} holds it, and this one runs after it.`,
      ...past,
    ];
  }
  if (job.dueAt > now) return [...past, ...delayed(job, now), ...pauses(facts, "Then it would wait on")];
  return [`It has been due since ${at(job.dueAt, now)}.`, ...past, ...waiting(facts)];
}

/** Why it is not due yet. */
function delayed(job: Job, now: number): string[] {
  const due = at(job.dueAt, now);
  const last = job.attempts.at(-1);
  if (job.releases > 0) {
    const times = counted(job.releases, "time");
    return [
      `It was given back unrun ${times} in a row: the worker that took it has no handler for task ${job.task}.`,
      `It is offered again at ${due}; the pause doubles each time, up to ${span(defaults.unknownTaskDelayMsMax)}.`,
    ];
  }
  if (last?.outcome === "deferred") return [`Its handler asked to be run again at ${due}.`];
  if (last?.outcome === "failed" || last?.outcome === "timed-out") return [`It is tried again at ${due}.`];
  const jitterMs = job.schedule === undefined ? 0 : job.dueAt - job.schedule.tick;
  const jitter = jitterMs > 0 && jitterMs < 86_400_000 ? `, ${span(jitterMs)} after its tick by jitter` : "";
  return [`It is not due before ${due}${jitter}.`];
}

/** What keeps a due job from being claimed. */
function waiting(facts: JobFacts): string[] {
  const { job, queue, now, active, regainAt, ahead, aheadMax, otherTenants } = facts;
  const reasons = pauses(facts, "It waits");
  if (queue?.concurrency !== undefined && active >= queue.concurrency) {
    reasons.push(
      `Queue ${job.queue} runs at most ${counted(queue.concurrency, "job")} at once, and ${active} of them ${active === 1 ? "is" : "are"} running: it waits for one to end.`,
    );
  }
  if (queue?.rate !== undefined && regainAt !== undefined && regainAt > now) {
    const rate = `${queue.rate.count} per ${span(queue.rate.periodMs)}`;
    reasons.push(
      `Queue ${job.queue} starts at most ${rate}, counted in slices of ${span(rateSliceMs(queue.rate))}, and they are used up: the next at ${at(regainAt, now)}.`,
    );
  }
  reasons.push(...tenantWaits(facts));
  const limited = reasons.length > 0;
  if (ahead > 0) {
    const count = ahead >= aheadMax ? `${aheadMax.toLocaleString("en")} or more jobs` : counted(ahead, "job");
    reasons.push(
      `${count} of its tenant in the queue ${ahead === 1 ? "comes" : "come"} before it, by priority, due time and order of insertion.`,
    );
  }
  if (otherTenants > 0) {
    reasons.push(
      `${counted(otherTenants, "other tenant")} with due jobs in the queue ${otherTenants === 1 ? "takes" : "take"} turns with its tenant.`,
    );
  }
  // Behind others it may still be that nobody comes; not while a pause or a limit says why.
  if (limited || (reasons.length > 0 && ahead === 0)) return reasons;
  return [...reasons, ...nobody(facts)];
}

/** What of its tenant's own limits keeps a due job from being claimed. */
function tenantWaits({ job, now, tenantLimits }: JobFacts): string[] {
  const { concurrency, rate, active = 0, regainAt } = tenantLimits ?? {};
  const reasons: string[] = [];
  if (concurrency !== undefined && active >= concurrency) {
    reasons.push(
      `Tenant ${job.tenant} runs at most ${counted(concurrency, "job")} at once over all queues, and ${active} of them ${active === 1 ? "is" : "are"} running: it waits for one to end.`,
    );
  }
  if (rate !== undefined && regainAt !== undefined && regainAt > now) {
    reasons.push(
      `Tenant ${job.tenant} starts at most ${rate.count} per ${span(rate.periodMs)} over all queues, counted in slices of ${span(rateSliceMs(rate))}, and they are used up: the next at ${at(regainAt, now)}.`,
    );
  }
  return reasons;
}

/** A due job that nothing holds: somebody should have come. */
function nobody({ job, now, active, ahead }: JobFacts): string[] {
  if (now - job.dueAt < 2 * defaults.pollHorizonMs)
    return ahead > 0 ? [] : ["Nothing holds it back: the next claim takes it."];
  if (active > 0)
    return [`The workers of queue ${job.queue} are busy: ${counted(active, "job of it runs", "jobs of it run")}.`];
  return [
    `Nobody takes jobs from queue ${job.queue}: no worker with a handler for a task of this queue seems to run. Start one: punctual serve.`,
  ];
}

function pauses({ job, queue, allPaused, pause, now }: JobFacts, begin: string): string[] {
  const by =
    pause === undefined ? "" : `, since ${at(pause.at, now)}${pause.actor === undefined ? "" : ` by ${pause.actor}`}`;
  const sentences: string[] = [];
  if (allPaused) sentences.push(`${begin} because everything is paused${by}: punctual queues resume --all`);
  if (queue?.paused === true) {
    const since = allPaused ? "" : by;
    sentences.push(`${begin} because queue ${job.queue} is paused${since}: punctual queues resume ${job.queue}`);
  }
  return sentences;
}

function active(facts: JobFacts): string[] {
  const { job, now, events, regainAt, tenantLimits } = facts;
  const { worker = "(unknown)", claimedAt = now, leaseUntil = now } = job;
  const sentences = [`Worker ${worker} has had it since ${at(claimedAt, now)}, as attempt ${job.attempt}.`];
  if (leaseUntil > now)
    sentences.push(`Its lease runs until ${at(leaseUntil, now)}, and is extended while the worker lives.`);
  else {
    sentences.push(
      `Its lease ended at ${at(leaseUntil, now)}: the worker died, or its event loop stands still. The next claim from queue ${job.queue} runs the job again.`,
      ...pauses(facts, "Nobody claims it"),
    );
    if (regainAt !== undefined && regainAt > now)
      sentences.push(`The queue's rate limit allows that at ${at(regainAt, now)}.`);
    if (tenantLimits?.regainAt !== undefined && tenantLimits.regainAt > now)
      sentences.push(`Its tenant's rate limit allows that at ${at(tenantLimits.regainAt, now)}.`);
  }
  if (job.started === false) sentences.push("It was fetched ahead: its handler has not been called yet.");
  if (job.progress !== undefined) sentences.push(`Its handler says that ${Math.round(job.progress * 100)}% are done.`);
  if (job.cancelRequested === true) {
    const asked = events.find(({ type }) => type === "job:cancelling");
    const by =
      asked === undefined ? "" : ` at ${at(asked.at, now)}${asked.actor === undefined ? "" : ` by ${asked.actor}`}`;
    sentences.push(`Its cancellation was asked for${by}: the worker hears of it when it next extends the lease.`);
  }
  return [...sentences, ...history(job)];
}

/** What earlier attempts have come to. */
function history({ attempts, failures, crashes, attemptsMax }: Job): string[] {
  const sentences: string[] = [];
  const failed = attempts.findLast(({ error }) => error !== undefined);
  if (failures > 0) {
    const of =
      attemptsMax === undefined
        ? "its task's own number of attempts, which the store does not know"
        : `${attemptsMax} allowed`;
    sentences.push(
      `${counted(failures, "attempt")} failed of ${of}${failed === undefined ? "" : `; the last with ${lastError(failed)}`}.`,
    );
  }
  if (crashes > 0)
    sentences.push(`${counted(crashes, "attempt")} ended with the worker: its process may have died of the job.`);
  return sentences;
}

function lastError({ attempt, error, outcome }: AttemptRecord): string {
  const timedOut = outcome === "timed-out" ? "a timeout, " : "";
  return `${timedOut}${error === undefined ? "no error kept" : errorText(error)} (attempt ${attempt})`;
}

function finished(facts: JobFacts): string[] {
  const { job, now, events } = facts;
  const ended = at(job.finishedAt ?? now, now);
  const kept = job.expiresAt === undefined ? [] : [`Retention keeps it until ${at(job.expiresAt, now)} at most.`];
  if (job.state === "completed") {
    const last = job.attempts.at(-1);
    const took = last?.endedAt === undefined ? "" : `, after ${span(last.endedAt - last.startedAt)}`;
    return [`It completed at ${ended} in attempt ${job.attempt}${took}.`, ...history(job), ...kept];
  }
  const again = `To run it again: punctual jobs retry ${job.id}`;
  if (job.state === "cancelled") return [cancelled(job, ended, events), ...kept, again];
  return [`It failed for good at ${ended}: ${cause(job)}.`, ...details(job), ...kept, again];
}

function cancelled(job: Job, ended: string, events: readonly StoredEvent[]): string {
  const event = events.find(
    ({ type, actor }) => (type === "job:cancelled" || type === "job:cancelling") && actor !== undefined,
  );
  const by = event?.actor === undefined ? "" : ` by ${event.actor}`;
  const why = job.reason === undefined ? "" : `: ${oneLine(job.reason)}`;
  return `It was cancelled at ${ended}${by}${why}.`;
}

function cause(job: Job): string {
  switch (job.endCause) {
    case "attempts":
      return job.failures === 1 ? "its only attempt failed" : `all ${job.failures} attempts failed`;
    case "permanent":
      return "its handler or its retry policy said that another attempt cannot help";
    case "policy":
      return "its retry policy itself threw";
    case "input":
      return "its stored input does not fit the worker's schema, and the handler was not called";
    case "crashes":
      return `${counted(job.crashes, "attempt")} ended with their worker, so it was not started again`;
    case "superseded":
      return "it would have waited again, and a newer job with the same key took its place";
    default:
      return oneLine(job.reason ?? "no reason was kept");
  }
}

function details(job: Job): string[] {
  const failed = job.attempts.findLast(({ error }) => error !== undefined);
  if (failed?.error === undefined)
    return job.reason === undefined || job.endCause === undefined ? [] : [`Reason: ${oneLine(job.reason)}.`];
  const policy = failed.error.policyError === undefined ? "" : `; the policy: ${oneLine(failed.error.policyError)}`;
  return [`Last error: ${lastError(failed)}${policy}.`];
}

function successorOf({ job, successor }: JobFacts): string[] {
  return successor === undefined ? [] : [`Job ${successor} waits for its key ${job.key}, and runs after it.`];
}

/** What the audit log still says of a job that the store no longer holds; undefined when it says nothing. */
export function explainGone(id: string, events: readonly StoredEvent[], now: number): string[] | undefined {
  const [last] = events;
  if (last === undefined) return undefined;
  const reason = typeof last.data?.["reason"] === "string" ? `: ${oneLine(last.data["reason"])}` : "";
  const by = last.actor === undefined ? "" : ` by ${last.actor}`;
  return [
    `The store no longer holds job ${id}: retention or an operator deleted it after it had ended.`,
    `The last that the audit log says of it: ${last.type} at ${rfc3339(last.at)}${by}${reason} (${span(now - last.at)} ago).`,
  ];
}
