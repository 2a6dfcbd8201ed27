// Inserting one job: repeats, idempotency keys, the two slots of a key, limits.
import { scheduledEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import { defaults } from "../core/defaults.ts";
import type { InsertAnswer, InsertedJob } from "../core/engine.ts";
import { countLimit, type Guardrails, shapeLimit } from "../core/guardrails.ts";
import { beginJob, type Job, type NewJob, replaceJob } from "../core/job.ts";
import { Refusal } from "../core/refusal.ts";
import type { World } from "./world.ts";

/** Inserts jobs together or not at all. */
export function insertAll(
  world: World,
  jobs: readonly NewJob[],
  given: Guardrails | undefined,
  now: Millis,
): InsertAnswer {
  const guardrails = world.tenants.guardrailsOf(jobs[0]?.tenant ?? "", given);
  let index = 0;
  try {
    return world.allOrNothing(() => {
      const inserted: InsertedJob[] = [];
      for (; index < jobs.length; index++) {
        const job = jobs[index];
        if (job !== undefined) inserted.push(insertJob(world, job, guardrails, now));
      }
      return { outcome: "inserted", jobs: inserted };
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.answer(index);
  }
}

/**
 * @param guardrails those that hold for its tenant; absent for what a schedule makes, which its firing has allowed
 * @throws Refusal
 */
export function insertJob(world: World, job: NewJob, guardrails: Guardrails | undefined, now: Millis): InsertedJob {
  const repeated = world.jobs.get(job.id)?.job;
  if (repeated !== undefined) {
    if (repeated.tenant !== job.tenant) throw new Refusal({ outcome: "idempotency-mismatch" });
    return answer("created", repeated);
  }
  const replaced = world.jobs.get(world.replacements.get(job.id) ?? "")?.job;
  if (replaced !== undefined) return answer("replaced", replaced);

  const used = usedKey(world, job, now);
  if (used !== undefined) return used;

  const { current, successor } = world.slots(job);
  const holder = current === undefined ? undefined : world.jobs.get(current)?.job;
  const inserted = holder === undefined ? create(world, job, guardrails, now) : resolve();
  if (job.idempotency !== undefined) {
    world.remember(`${job.tenant}\n${job.idempotency.key}`, {
      body: job.idempotency.body,
      id: inserted.id,
      dueAt: inserted.dueAt,
      expiresAt: now + defaults.idempotencyMs,
    });
  }
  return inserted;

  function resolve(): InsertedJob {
    const taken = holder as Job;
    if (job.onConflict === "error") throw new Refusal({ outcome: "key-in-use", id: taken.id });
    if (job.onConflict !== "replace") return answer("existing", taken);
    if (taken.state === "pending") return replace(taken);
    const waiting = successor === undefined ? undefined : world.jobs.get(successor)?.job;
    return waiting === undefined ? create(world, job, guardrails, now, true) : replace(waiting);
  }

  function replace(before: Job): InsertedJob {
    checkShape(job, guardrails, now);
    const after = replaceJob(before, job, now);
    world.save(after, now);
    if (world.retention.auditsAll) world.append(scheduledEvent(after, "replaced", now));
    return answer("replaced", after);
  }
}

function usedKey(world: World, job: NewJob, now: Millis): InsertedJob | undefined {
  if (job.idempotency === undefined) return undefined;
  const used = world.idempotency.get(`${job.tenant}\n${job.idempotency.key}`);
  if (used === undefined || used.expiresAt <= now) return undefined;
  if (used.body !== job.idempotency.body) throw new Refusal({ outcome: "idempotency-mismatch" });
  return { outcome: "existing", id: used.id, dueAt: used.dueAt };
}

function create(
  world: World,
  job: NewJob,
  guardrails: Guardrails | undefined,
  now: Millis,
  successor?: true,
): InsertedJob {
  checkShape(job, guardrails, now);
  if (guardrails?.maxPendingJobs !== undefined) {
    const hit = countLimit("maxPendingJobs", guardrails, world.tenants.unfinishedJobs(job.tenant) + 1);
    if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
  }
  const created = { ...beginJob(job, now), successor };
  world.save(created, now);
  if (world.retention.auditsAll) world.append(scheduledEvent(created, "created", now));
  return answer("created", created);
}

function checkShape(job: NewJob, guardrails: Guardrails | undefined, now: Millis): void {
  const hit = shapeLimit(job, guardrails, now);
  if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
}

function answer(outcome: InsertedJob["outcome"], job: Job): InsertedJob {
  return { outcome, id: job.id, dueAt: job.dueAt, ...(job.successor === true ? { successor: true } : {}) };
}
