// Jobs as texts and back. The base text holds a job as the last rewrite left it; a claim adds an overlay, and a plain
// completion the settlement behind it, so that neither rewrites the base. What reads it all puts the job together.
import type { Millis } from "../../core/clock.ts";
import type { ClaimedJob, Job, JobState, NewJob } from "../../core/job.ts";
import type { Settlement } from "../../core/settling.ts";
import { damagedParts, damagedReason, fromDetailValue, placeOf } from "../../core/stored-job.ts";
import { applySettlement, type Claim, isLost } from "../../core/transitions.ts";
import type { Stored } from "../../core/workspace/workspace.ts";
import { type Body, detailText, isBody, newDetailText, saved } from "./row-body.ts";
import { type Head, headOf } from "./row-head.ts";
import { type Overlay, parseOverlay } from "./row-overlay.ts";

/** A job as it was read; `rev` is the revision of its base text, `lane` its lane's number, both as texts. */
export interface StoredRow extends Stored {
  readonly rev: string;
  readonly lane: string;
}

// Texts of what is to be stored

export { detailText };

/** What scripts look at of a job beside its times: k it has a key, s a schedule, l its last attempt was lost. */
export function flagsOf(job: Pick<Job, "key" | "schedule"> & { readonly attempts?: Job["attempts"] }): string {
  const isLast = job.attempts !== undefined && isLost(job as Job);
  const flags = `${job.key === undefined ? "" : "k"}${job.schedule === undefined ? "" : "s"}${isLast ? "l" : ""}`;
  return flags === "" ? "-" : flags;
}

/** The letter of a job's state: `h` for a successor. */
export function letterOf({ state, successor }: Pick<Job, "state" | "successor">): Head["state"] {
  if (state === "pending") return successor === true ? "h" : "p";
  return state === "cancelled" ? "x" : (state.charAt(0) as Head["state"]);
}

export function baseOf(head: Omit<Head, "end">, detail: string, input: string): string {
  const { rev, state, priority, dueAt, createdAt, lane, attempt, flags } = head;
  return `${rev},${state},${priority},${dueAt},${createdAt},${lane},${attempt},${flags}\n${detail}\n${input}`;
}

/** A job's base text; an active one's lease stands in its overlay too. */
export function baseText(job: Job, rev: number | string, lane: number | string): string {
  const { priority, dueAt, createdAt } = job;
  const head = {
    rev: `${rev}`,
    state: letterOf(job),
    priority,
    dueAt,
    createdAt,
    lane: `${lane}`,
    attempt: job.attempt,
    flags: flagsOf(job),
  };
  return baseOf(head, detailText(job), job.input);
}

/** What an insert's script needs of a new job: id, priority, due (`a<instant>` or `d<delay>`), flags, detail, input. */
export function newJobParts(job: NewJob): [string, number, string, string, string, string] {
  const due = "at" in job.due ? `a${job.due.at}` : `d${job.due.afterMs}`;
  return [job.id, job.priority, due, flagsOf(job), newDetailText(job), job.input];
}

/** A settlement as it stands behind a completed job: its lease is in the overlay. */
export function settlementText({ lease: _lease, ...settlement }: Settlement): string {
  return JSON.stringify(settlement);
}

// Jobs from texts

/** A job from its base text and, while it is active, its overlay. `place` is where it belongs at `now`. */
export function parseBase(seq: number, base: string, overlay: string | null, now: Millis): StoredRow {
  const head = headOf(base);
  const { detail, settled } = partsOf(base, head);
  const read = readJob(base, head, detail.text, detail.end);
  const stored = withOverlay(read, settled?.overlay ?? overlay, head);
  const { job, damaged } = settled === undefined ? stored : withSettlement(stored, settled);
  const row = { seq, place: placeOf(job, now), job, rev: head.rev, lane: head.lane };
  return damaged ? { ...row, damaged: true } : row;
}

/**
 * The job of a claim just made of a pending one, for speed without a look at all else; undefined when it is damaged
 * (then `parseBase` tells what there is).
 */
export function claimedJob(seq: number, base: string, claim: Claim, now: Millis): ClaimedJob | undefined {
  const head = headOf(base);
  const end = base.indexOf("\n", head.end + 1);
  const { job, damaged } = readJob(base, head, base.slice(head.end + 1, end), end);
  if (damaged) return undefined;
  // The job is this function's own: one object, as there are tens of thousands a second.
  const own = job as { -readonly [Member in keyof ClaimedJob]: ClaimedJob[Member] };
  own.state = "active";
  own.attempt++;
  own.token = claim.token;
  own.worker = claim.worker;
  own.claimedAt = now;
  own.leaseUntil = now + claim.leaseMs;
  own.started = claim.startsNow;
  own.recovered = isLost(job);
  own.ref = seq;
  return own;
}

interface Read {
  readonly job: Job;
  readonly damaged: boolean;
}

interface Settled {
  readonly overlay: string;
  readonly at: Millis;
  readonly text: string;
}

/** The detail's text with where it ends, and what a plain completion has put behind it. */
function partsOf(base: string, head: Head) {
  const found = base.indexOf("\n", head.end + 1);
  const end = found === -1 ? base.length : found;
  const text = base.slice(head.end + 1, end);
  const tab = text.indexOf("\t");
  if (tab === -1) return { detail: { text, end } };
  const [overlay = "", at, settlement = ""] = text.slice(tab + 1).split("\t");
  return { detail: { text: text.slice(0, tab), end }, settled: { overlay, at: Number(at), text: settlement } };
}

const states: Readonly<Record<Head["state"], JobState>> = {
  p: "pending",
  h: "pending",
  a: "active",
  c: "completed",
  f: "failed",
  x: "cancelled",
};

function readJob(base: string, head: Head, text: string, end: number): Read {
  let body: Body | undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isBody(value)) body = value;
  } catch {
    // What can be saved of it names the job.
  }
  const parts = body === undefined ? undefined : fromDetailValue(body.d);
  const damaged = parts === undefined || !isWhole(head);
  const job = jobOf(head, body ?? saved(text), damaged ? damagedParts : parts, base.slice(end + 1));
  return { job, damaged };
}

function jobOf(head: Head, body: Body, parts: typeof damagedParts, input: string): Job {
  const { o } = body;
  const job: Job = {
    id: body.i,
    tenant: body.t,
    queue: body.q,
    task: body.k,
    input,
    priority: head.priority || 1,
    state: states[head.state] ?? "pending",
    dueAt: head.dueAt || 0,
    createdAt: head.createdAt || 0,
    attempt: head.attempt || 0,
    failures: parts.failures,
    crashes: parts.crashes,
    releases: parts.releases,
    attemptsMax: parts.attemptsMax,
    key: body.y,
    successor: head.state === "h" ? true : undefined,
    schedule: o === undefined ? undefined : { id: o[0], incarnation: o[1], tick: o[2], missed: o[3] },
    metadata: parts.metadata,
    replacedBy: body.by,
    token: body.to,
    worker: undefined,
    leaseUntil: undefined,
    claimedAt: undefined,
    started: undefined,
    cancelRequested: body.x,
    progress: parts.progress,
    output: parts.output,
    finishedAt: body.f,
    endCause: parts.endCause,
    reason: parts.reason,
    expiresAt: body.e,
    attempts: parts.attempts,
    log: parts.log,
  };
  if (head.state !== "a") return job;
  return { ...job, worker: body.w ?? "", leaseUntil: body.l ?? 0, claimedAt: body.c ?? 0, started: body.s === true };
}

/** A job with the claim that its overlay tells of. */
function withOverlay(read: Read, text: string | null, head: Head): Read {
  if (text === null) return read;
  const overlay = parseOverlay(text);
  const { job } = read;
  if (overlay === undefined) return { job, damaged: true };
  const { leaseUntil, started } = overlay;
  if (head.state === "a") return { job: { ...job, leaseUntil, started }, damaged: read.damaged };
  // Whatever its base has become since the claim: the lease is named by the overlay.
  const damaged = read.damaged || overlay.attempt !== job.attempt + 1;
  return { job: { ...job, ...leaseOf(job, claimOf(overlay), overlay.claimedAt), attempt: overlay.attempt }, damaged };
}

function claimOf({ token, worker, leaseUntil, claimedAt, started }: Overlay): Claim {
  return { token, worker, leaseMs: leaseUntil - claimedAt, startsNow: started };
}

/** What core's `applyClaim` makes of a pending job, beside `recovered`. */
function leaseOf(job: Job, claim: Claim, now: Millis) {
  return {
    state: "active" as const,
    attempt: job.attempt + 1,
    token: claim.token,
    worker: claim.worker,
    claimedAt: now,
    leaseUntil: now + claim.leaseMs,
    started: claim.startsNow,
  };
}

function withSettlement({ job, damaged }: Read, { at, text }: Settled): Read {
  try {
    const { id, queue, attempt, token = "" } = job;
    const settlement = { ...(JSON.parse(text) as Omit<Settlement, "lease">), lease: { id, queue, attempt, token } };
    const after = applySettlement(job, settlement, at, false);
    if (after.state === "completed" && Number.isFinite(at)) return { job: after, damaged };
  } catch {
    // Falls through: it ended, and nobody can tell how.
  }
  return { job: { ...job, state: "completed", finishedAt: at || 0, reason: damagedReason }, damaged: true };
}

function isWhole({ state, priority, dueAt, createdAt, attempt }: Head): boolean {
  return state in states && priority > 0 && [dueAt, createdAt, attempt].every(Number.isFinite);
}
