// Calls about jobs, made up from what the sequence has come to.
import type { Change, ClaimRequest, Insert, PurgeRequest } from "../../src/core/engine.ts";
import type { Due, FinishedState, JobChange, NewJob } from "../../src/core/job.ts";
import type { Write } from "./call.ts";
import type { Scene } from "./scene.ts";

const finishedStates: readonly FinishedState[] = ["completed", "failed", "cancelled"];

export function insertCall(scene: Scene): Write {
  const { random } = scene;
  const inserts = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => insert(scene));
  return { op: "jobs.insert", inserts };
}

function insert(scene: Scene): Insert {
  const { random, plan } = scene;
  const repeated = random.chance(0.06) ? scene.recent(scene.inserts) : undefined;
  if (repeated !== undefined) return repeated;
  const { tenant } = scene;
  const jobs = Array.from({ length: random.pick([1, 1, 1, 2, 4]) }, () => newJob(scene, tenant));
  const [first] = jobs;
  if (first !== undefined && jobs.length > 1 && random.chance(0.05)) jobs.push(first);
  return plan.guardrails !== undefined && random.chance(0.9) ? { jobs, guardrails: plan.guardrails } : { jobs };
}

function newJob(scene: Scene, tenant: string): NewJob {
  const { random, plan } = scene;
  const known = random.chance(0.03) ? scene.recent(scene.jobs) : undefined;
  const keyed = random.chance(plan.keyShare);
  const onConflict = random.pick(["ignore", "replace", "replace", "error"] as const);
  return {
    id: known?.id ?? scene.newId(tenant),
    tenant,
    queue: scene.queue,
    task: random.pick(["send", "sum"]),
    input: input(scene),
    priority: random.pick([5, 5, 5, 1, 10]),
    due: due(scene),
    ...(keyed ? { key: random.pick(plan.keys) } : {}),
    ...(keyed && random.chance(0.8) ? { onConflict } : {}),
    ...(random.chance(0.1) ? { attemptsMax: random.between(1, 5) } : {}),
    ...(random.chance(0.1) ? { metadata: `{"n":${scene.serial()}}` } : {}),
    ...(random.chance(0.1)
      ? { idempotency: { key: random.pick(["once", "twice"]), body: random.pick(["a", "a", "b"]) } }
      : {}),
  };
}

export function input({ random, plan }: Scene): string {
  const number = random.between(0, 999);
  if (plan.foreignTexts && random.chance(0.5)) return `{"to":"Zoë ${number} \\u0000 🚀 \\ud800"}`;
  return random.chance(0.2) ? `{"n":${number},"text":"${"x".repeat(random.pick([20, 60]))}"}` : `{"n":${number}}`;
}

function due({ random, now }: Scene): Due {
  const at = random.pick([0, 0, 0, 0, 1, 500, 5_000, 30_000, 60_000, 3_600_000]);
  if (random.chance(0.7)) return { afterMs: at };
  return { at: random.chance(0.3) ? now - random.pick([1, 1_000, 60_000]) : now + at };
}

export function claimCall(scene: Scene): Write {
  const { random, plan } = scene;
  const again = random.chance(0.1) ? scene.recent(scene.claims) : undefined;
  if (again !== undefined) return { op: "jobs.claim", request: { ...again, repeat: true } };
  const queues = plan.queues.filter(() => random.chance(0.8));
  if (random.chance(0.3)) queues.reverse();
  const limit = plan.wide ? 100 : random.pick([1, 2, 3, 5, 10, 100]);
  const some = (...others: readonly number[]) => (plan.wide || random.chance(0.5) ? limit : random.pick(others));
  const request: ClaimRequest = {
    claimId: scene.newToken(),
    ...(random.chance(0.03) ? { repeat: true } : {}),
    worker: random.pick(plan.workers),
    leaseMs: plan.leaseMs,
    wants: (queues.length === 0 ? [scene.queue] : queues).map((queue) => ({
      queue,
      limit: some(1, 2),
    })),
    limit,
    starts: some(1, 2, 0),
    bytesMax: plan.wide || plan.foreignTexts || random.chance(0.85) ? 8 * 1024 * 1024 : random.pick([1, 30, 100]),
  };
  return { op: "jobs.claim", request };
}

/** A claim of one job of each queue: it makes ready what has come due in all of them. */
export function lookCall(scene: Scene): Write {
  const { queues, workers, leaseMs } = scene.plan;
  const wants = queues.map((queue) => ({ queue, limit: 1 }));
  const [worker = ""] = workers;
  const limits = { limit: queues.length, starts: queues.length, bytesMax: 8 * 1024 * 1024 };
  return { op: "jobs.claim", request: { claimId: scene.newToken(), worker, leaseMs, wants, ...limits } };
}

export function extendCall(scene: Scene): Write | undefined {
  const { random, plan, now } = scene;
  const jobs = someLeases(scene, 3);
  if (jobs.length === 0) return undefined;
  const extensions = jobs.map((job) => ({
    lease: leaseOf(job),
    ...(random.chance(0.4) ? { started: random.chance(0.8) } : {}),
    ...(random.chance(0.4) ? { progress: random.pick([0, 0.25, 1]) } : {}),
    ...(random.chance(0.4) ? { log: [logLine(scene, job.attempt, now)] } : {}),
  }));
  return { op: "jobs.extend", extensions, leaseMs: random.pick([plan.leaseMs, plan.leaseMs, 1_000]) };
}

type ScenesLease = Scene["live"][number];

/** Mostly leases that should hold, each once; at times one that does not, or one twice. */
export function someLeases(scene: Scene, most: number): readonly ScenesLease[] {
  const { random, live, stale } = scene;
  const count = random.between(1, most);
  const chosen = new Set<ScenesLease>();
  for (let index = 0; index < count; index++) {
    const job = random.chance(0.12) ? scene.recent(stale) : scene.recent(live);
    if (job !== undefined) chosen.add(job);
  }
  const [first] = chosen;
  return first !== undefined && random.chance(0.04) ? [...chosen, first] : [...chosen];
}

/** Without the engine's own word for where it lies, which is filled in as the call is made. */
export function leaseOf({ id, queue, attempt, token }: ScenesLease) {
  return { id, queue, attempt, token };
}

export function logLine(scene: Scene, attempt: number, at: number) {
  return { at, attempt, text: `line ${scene.serial()}` };
}

export function changeCall(scene: Scene): Write | undefined {
  const { random, plan } = scene;
  const changes = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => change(scene)).filter(
    (one) => one !== undefined,
  );
  if (changes.length === 0) return undefined;
  const guarded = plan.guardrails !== undefined && random.chance(0.8) ? { guardrails: plan.guardrails } : {};
  return { op: "jobs.change", changes, ...guarded };
}

function change(scene: Scene): Change | undefined {
  const { random, actor } = scene;
  const name = jobName(scene);
  if (name === undefined) return undefined;
  return { name, change: jobChange(scene), ...(actor === undefined || random.chance(0.5) ? {} : { actor }) };
}

function jobName(scene: Scene): Change["name"] | undefined {
  const { random, plan } = scene;
  if (plan.keyShare > 0 && random.chance(0.4)) {
    return { tenant: scene.tenant, queue: scene.queue, key: random.pick(plan.keys) };
  }
  const known = scene.recent(scene.jobs);
  if (known === undefined) return undefined;
  return random.chance(0.6)
    ? { id: known.id }
    : { id: known.id, tenant: random.chance(0.8) ? known.tenant : scene.tenant };
}

function jobChange(scene: Scene): JobChange {
  switch (scene.random.pick(["cancel", "cancel", "retry", "retry", "reschedule", "update"] as const)) {
    case "cancel":
      return scene.random.chance(0.4) ? { kind: "cancel", unleased: true } : { kind: "cancel" };
    case "retry":
      return { kind: "retry" };
    case "reschedule":
      return { kind: "reschedule", due: due(scene) };
    case "update":
      return { kind: "update", input: input(scene) };
  }
}

export function purgeCall(scene: Scene): Write {
  return { op: "jobs.purge", request: purgeRequest(scene) };
}

function purgeRequest(scene: Scene): PurgeRequest {
  const { random, now, actor } = scene;
  if (random.chance(0.5)) {
    const counts = random.chance(0.5) ? {} : { completedCountMax: random.between(0, 3), endedCountMax: 2 };
    return { ...counts, limit: random.pick([1, 2, 1_000]) };
  }
  const dryRun = random.chance(0.3);
  const finished = {
    before: now - random.pick([-1, 0, 1_000, 60_000]),
    ...(random.chance(0.5) ? { states: finishedStates.filter(() => random.chance(0.6)) } : {}),
    ...(random.chance(0.4) ? { queue: scene.queue } : {}),
    ...(random.chance(0.4) ? { tenant: scene.tenant } : {}),
    ...(actor === undefined ? {} : { actor }),
    ...(dryRun ? { dryRun } : {}),
  };
  // Each call that deletes something is an event: where a purge takes several, which part each has is the engine's.
  return { finished, limit: dryRun ? random.pick([1, 2, 1_000]) : 1_000 };
}
