// Reads with filters of every kind; what is there without a filter, `observe` looks at.
import type { JobFilter } from "../../src/core/engine.ts";
import { eventTypes } from "../../src/core/events.ts";
import type { JobState } from "../../src/core/job.ts";
import type { Read } from "./call.ts";
import type { Scene } from "./scene.ts";

const states: readonly JobState[] = ["pending", "active", "completed", "failed", "cancelled"];

export function readCall(scene: Scene): Read {
  const { random } = scene;
  const makers = [
    jobsList,
    jobsList,
    jobsList,
    eventsList,
    eventsList,
    jobGet,
    standing,
    stats,
    schedules,
    tenants,
    records,
  ];
  return random.pick(makers)(scene);
}

function limitOf({ random }: Scene): number {
  return random.pick([1, 2, 5, 1_000]);
}

function jobsList(scene: Scene): Read {
  const sort = scene.random.pick(["newest", "oldest", "finished"] as const);
  return { op: "jobs.list", filter: jobFilter(scene), sort, limit: limitOf(scene) };
}

function jobFilter(scene: Scene): JobFilter {
  const { random, plan, now } = scene;
  const near = () => now + random.pick([-60_000, -1_000, 0, 1, 5_000]);
  return {
    ...(random.chance(0.3) ? { tenant: scene.tenant } : {}),
    ...(random.chance(0.3) ? { queue: scene.queue } : {}),
    ...(random.chance(0.15) ? { task: "send" } : {}),
    ...(random.chance(0.1) ? { schedule: random.pick(plan.schedules) } : {}),
    ...(random.chance(0.4) ? { states: states.filter(() => random.chance(0.5)) } : {}),
    ...(random.chance(0.2) ? { pending: random.pick(["waiting", "delayed"] as const) } : {}),
    ...(random.chance(0.15) ? { keyPrefix: random.pick(["k", "key", "key-2", "x"]) } : {}),
    ...(random.chance(0.1) ? { keyed: true } : {}),
    ...(random.chance(0.1) ? { dueFrom: near() } : {}),
    ...(random.chance(0.15) ? { dueBefore: near() } : {}),
    ...(random.chance(0.1) ? { createdFrom: near() } : {}),
    ...(random.chance(0.1) ? { createdBefore: near() } : {}),
    ...(random.chance(0.1) ? { finishedFrom: near() } : {}),
    ...(random.chance(0.1) ? { finishedBefore: near() } : {}),
  };
}

function eventsList(scene: Scene): Read {
  const { random, plan, now } = scene;
  const job = scene.recent(scene.jobs)?.id;
  const filter = {
    ...(random.chance(0.3) ? { tenant: scene.tenant } : {}),
    ...(random.chance(0.3) ? { types: eventTypes.filter(() => random.chance(0.3)) } : {}),
    ...(random.chance(0.2) && job !== undefined ? { job } : {}),
    ...(random.chance(0.2) ? { schedule: random.pick(plan.schedules) } : {}),
    ...(random.chance(0.2) ? { queue: scene.queue } : {}),
    ...(random.chance(0.2) ? { actor: "ann" } : {}),
    ...(random.chance(0.1) ? { from: now - 10_000 } : {}),
    ...(random.chance(0.1) ? { before: now } : {}),
  };
  return { op: "events.list", filter, order: random.pick(["newest", "oldest"]), limit: limitOf(scene) };
}

function jobGet(scene: Scene): Read {
  const known = scene.recent(scene.jobs);
  const id = known?.id ?? scene.newId(scene.tenant);
  return { op: "jobs.get", name: scene.random.chance(0.5) ? { id } : { id, tenant: scene.tenant } };
}

function standing(scene: Scene): Read {
  const id = scene.recent(scene.jobs)?.id ?? scene.newId(scene.tenant);
  return { op: "inspection.standing", id, aheadMax: scene.random.pick([1, 2, 1_000]) };
}

function stats(scene: Scene): Read {
  const { random } = scene;
  const filter = {
    ...(random.chance(0.5) ? { tenant: scene.tenant } : {}),
    ...(random.chance(0.5) ? { queue: scene.queue } : {}),
  };
  return { op: "jobs.stats", filter };
}

function schedules(scene: Scene): Read {
  const { random, plan } = scene;
  const filter = {
    ...(random.chance(0.3) ? { tenant: scene.tenant } : {}),
    ...(random.chance(0.3) ? { task: "sum" } : {}),
    ...(random.chance(0.3) ? { queue: scene.queue } : {}),
    ...(random.chance(0.3) ? { enabled: random.chance(0.7) } : {}),
    ...(random.chance(0.3) ? { idPrefix: random.pick(["r", ...plan.schedules]) } : {}),
  };
  return { op: "schedules.list", filter, limit: limitOf(scene) };
}

function tenants(scene: Scene): Read {
  const filter = scene.random.pick([{ id: scene.tenant }, { idPrefix: "a" }, { idPrefix: "z" }]);
  return { op: "tenants.list", filter, limit: limitOf(scene) };
}

function records(scene: Scene): Read {
  const { random } = scene;
  if (random.chance(0.5)) return { op: "records.get", keys: ["a", "b", "none"] };
  return { op: "records.list", prefix: random.pick(["a", "a/", "worker/", "Z"]), limit: limitOf(scene) };
}
