// J2, J3, J4 and J15 as they show in claims, extensions and settlements.
import type { ClaimAnswer, ClaimRequest, ExtendOutcome, Extension, SettleAnswer } from "../../src/core/engine.ts";
import { isFinished, type Job } from "../../src/core/job.ts";
import type { Lease } from "../../src/core/lease.ts";
import type { Settlement } from "../../src/core/settling.ts";
import { hadSuccessor } from "./job-checks.ts";
import type { Scene } from "./scene.ts";

/** Attempts that a job has when it does not say so itself, and crashes allowed beyond them. */
const attemptsDefault = 3;
const crashesAllowed = 5;

export function checkClaim(scene: Scene, request: ClaimRequest, answer: ClaimAnswer): void {
  const given = new Set(answer.jobs.map(({ id }) => id));
  scene.count("claims", answer.jobs.length);
  for (const [id, { before, after }] of scene.jobs) {
    const claimed = after?.state === "active" && (before?.state !== "active" || before.attempt !== after.attempt);
    if (claimed && !given.has(id)) scene.broken("J2", `job ${scene.shortOf(id)} is leased and was given to nobody`);
  }
  for (const { id } of answer.jobs) {
    const before = scene.before(id);
    const after = scene.picture.jobs.get(id);
    if (before === undefined || after === undefined) {
      scene.broken("J2", `claim gave ${scene.shortOf(id)}, which is not stored`);
    } else if (isOf(before, request) && after.attempt === before.attempt) {
      scene.count("claims found again");
      if (request.repeat !== true) scene.broken("J2", `job ${scene.shortOf(id)} was given twice under one lease`);
    } else checkClaimed(scene, request, before, after, answer);
  }
  if (request.repeat === true) checkRepeat(scene, request, given);
}

function isOf(job: Job, { claimId, worker }: ClaimRequest): boolean {
  return job.state === "active" && job.token === claimId && job.worker === worker;
}

/** J15: a claim made again is given what it had taken. */
function checkRepeat(scene: Scene, request: ClaimRequest, given: ReadonlySet<string>): void {
  for (const id of scene.picture.active) {
    const before = scene.before(id);
    if (before !== undefined && isOf(before, request) && !given.has(id)) {
      scene.broken("J15", `a claim made again was not given ${scene.shortOf(id)}, which it had taken`);
    }
  }
}

function checkClaimed(scene: Scene, request: ClaimRequest, before: Job, after: Job, answer: ClaimAnswer): void {
  const name = scene.shortOf(before.id);
  const asAsked = isOf(after, request) && after.leaseUntil === scene.now + request.leaseMs;
  if (!asAsked || after.attempt !== before.attempt + 1) {
    scene.broken(
      "J2",
      `the claim of ${name} left it ${after.state} in attempt ${after.attempt} after ${before.attempt}`,
    );
  }
  if (isFinished(before.state)) scene.broken("J2", `job ${name} was claimed when it was ${before.state}`);
  if (before.state === "active") checkRecovered(scene, before, after, answer);
  else if (before.dueAt > scene.now) scene.broken("J2", `job ${name} was claimed before it was due`);
  else if (before.successor === true && !currentHasEnded(scene, before)) {
    scene.broken("T2", `job ${name} was claimed while it waited for its key's current job`);
  }
  checkNobodyElseRuns(scene, after);
}

function currentHasEnded(scene: Scene, successor: Job): boolean {
  return scene.picture.ofKey(successor).every(({ id }) => id === successor.id);
}

function checkRecovered(scene: Scene, before: Job, after: Job, answer: ClaimAnswer): void {
  const name = scene.shortOf(before.id);
  scene.count("recoveries");
  if ((before.leaseUntil ?? 0) > scene.now) scene.broken("J2", `job ${name} was claimed while its lease lasted`);
  if (answer.jobs.length > 1) scene.broken("J4", `job ${name} was recovered together with others`);
  if (hadSuccessor(scene, before)) scene.broken("T3", `job ${name} was claimed again beside its successor`);
  const crashes = before.crashes + (before.started === true ? 1 : 0);
  if (after.crashes !== crashes)
    scene.broken("J4", `job ${name} counts ${after.crashes} crashes instead of ${crashes}`);
  const life = scene.lifeOf(before.worker ?? "");
  const calm = life?.state === "running" && life.troubledAt < (before.claimedAt ?? 0);
  if (calm && scene.wentBackAt < (before.claimedAt ?? 0)) {
    scene.broken("J4", `${before.worker} is well and lost the lease of ${name}`);
  }
}

/** J3: whoever held the job before knows that the lease is lost before another is given it. */
function checkNobodyElseRuns(scene: Scene, job: Job): void {
  for (const run of scene.runs.running) {
    if (run.job !== job.id || run.signal.aborted || run.beganAt <= scene.forgetsUntil) continue;
    const life = scene.lifeOf(run.worker);
    if (life?.state !== "running" || life.resumedAt >= scene.now) continue;
    scene.broken("J3", `${run.worker} still runs ${scene.shortOf(job.id)} unwarned when ${job.worker} is given it`);
  }
}

function holdsNow(job: Job | undefined, lease: Lease): job is Job {
  return job?.state === "active" && job.attempt === lease.attempt && job.token === lease.token;
}

/** The settlement that ended the job, made again. */
function isAnswered(job: Job, lease: Lease): boolean {
  return job.state !== "active" && job.attempt === lease.attempt && job.token === lease.token;
}

export function checkExtend(
  scene: Scene,
  extensions: readonly Extension[],
  outcomes: readonly ExtendOutcome[],
  leaseMs: number,
): void {
  for (const [index, { lease }] of extensions.entries()) {
    const before = scene.before(lease.id);
    const lost = outcomes[index] === "lost";
    if (holdsNow(before, lease) === lost) {
      scene.broken("J3", `an extension of ${scene.shortOf(lease.id)} was answered ${outcomes[index]}`);
    }
    if (!lost) {
      const until = scene.picture.jobs.get(lease.id)?.leaseUntil;
      if (until !== scene.now + leaseMs)
        scene.broken("J4", `an extension left the lease of ${scene.shortOf(lease.id)}`);
      continue;
    }
    scene.count("stale extensions");
    checkUnchanged(scene, lease);
  }
}

export function checkSettle(scene: Scene, settlements: readonly Settlement[], answers: readonly SettleAnswer[]): void {
  const seen = new Set<string>();
  for (const [index, settlement] of settlements.entries()) {
    const { lease } = settlement;
    // Twice in one call: what was before the second is not known.
    if (seen.has(lease.id)) continue;
    seen.add(lease.id);
    const before = scene.before(lease.id);
    const outcome = answers[index]?.outcome;
    const name = scene.shortOf(lease.id);
    if (holdsNow(before, lease)) {
      if (outcome !== "settled") scene.broken("J3", `the holder of ${name} settled it and was answered ${outcome}`);
      checkSettled(scene, settlement, before);
      continue;
    }
    const repeated = before !== undefined && isAnswered(before, lease);
    const expected = before === undefined ? "unknown" : repeated ? "settled" : "lost";
    scene.count(repeated ? "settlements made again" : "stale settlements");
    if (outcome !== expected) {
      scene.broken(repeated ? "J15" : "J3", `a settlement of ${name} was answered ${outcome} instead of ${expected}`);
    }
    if (settlements.filter(({ lease: { id } }) => id === lease.id).length === 1) checkUnchanged(scene, lease);
  }
}

function checkUnchanged(scene: Scene, { id }: Lease): void {
  const change = scene.jobs.get(id);
  // Another settlement of the same call may have ended the job that it waits for.
  const promoted = change?.before?.successor === true && change.after?.state === "pending";
  if (change !== undefined && !promoted) scene.broken("J3", `a stale lease changed job ${scene.shortOf(id)}`);
}

/** What the store now says of an attempt is what its handler did. */
function checkSettled(scene: Scene, { lease, outcome, endCause, record }: Settlement, before: Job): void {
  const after = scene.picture.jobs.get(lease.id);
  if (after === undefined) return;
  const name = scene.shortOf(lease.id);
  if (after.state === "active") scene.broken("J3", `job ${name} is active after it was settled`);
  const runs = scene.runs.of(lease.id, lease.attempt, before.worker ?? "");
  const ends = runs.map(({ end }) => end);
  const told = ends.join(", ") || "not run";
  if (after.state === "completed" && !ends.includes("returned")) {
    scene.broken("J1", `job ${name} is completed, and its handler has ${told}`);
  }
  const failed = after.failures - before.failures;
  const known = runs.every(({ beganAt }) => beganAt > scene.wentBackAt);
  const threw = record !== undefined && ends[0] === "threw" ? 1 : 0;
  if (runs.length <= 1 && known && ends[0] !== "aborted" && failed !== threw) {
    scene.broken("J1", `job ${name} counts ${failed} failures more, and its handler has ${told}`);
  }
  const allowed = before.attemptsMax ?? attemptsDefault;
  if (outcome === "fail" && endCause === "attempts" && after.failures < allowed) {
    scene.broken("J1", `job ${name} failed after ${after.failures} of ${allowed} attempts`);
  }
  if (outcome === "fail" && endCause === "crashes") {
    scene.count("poison ended");
    if (before.crashes + before.failures < allowed + crashesAllowed) scene.broken("J4", `job ${name} ended too soon`);
  }
}
