// Calls about queues, tenants, records and the audit log.
import type { Write } from "./call.ts";
import type { Scene } from "./scene.ts";

export function queueCall(scene: Scene): Write {
  const { random, actor, plan } = scene;
  const limits = !plan.wide;
  const change = {
    name: random.chance(0.15) ? "*" : scene.queue,
    ...(random.chance(0.4) ? { paused: random.chance(0.3) } : {}),
    ...(limits && random.chance(0.4) ? { concurrency: random.pick([1, 2, 3, null] as const) } : {}),
    ...(limits && random.chance(0.4) ? { rate: drawRate(scene) } : {}),
  };
  return { op: "queues.put", changes: [change], ...(actor === undefined ? {} : { actor }) };
}

function drawRate({ random }: Scene) {
  if (random.chance(0.25)) return null;
  return { count: random.between(1, 3), periodMs: random.pick([1_000, 10_000, 60_000]) };
}

export function tenantCall(scene: Scene): Write {
  const { random, actor, plan } = scene;
  const limits = plan.limitsTenants;
  const change = {
    id: scene.tenant,
    ...(random.chance(0.4) ? { weight: random.pick([null, 1, 2, 3, 7]) } : {}),
    ...(limits && random.chance(0.4) ? { concurrency: random.pick([0, 1, 2, 3, null] as const) } : {}),
    ...(limits && random.chance(0.4) ? { rate: drawRate(scene) } : {}),
    ...(random.chance(0.3) ? { guardrails: drawLimits(scene) } : {}),
  };
  return { op: "tenants.put", changes: [change], ...(actor === undefined ? {} : { actor }) };
}

function drawLimits({ random }: Scene) {
  return {
    ...(random.chance(0.6) ? { maxPendingJobs: random.pick([2, 5, "unlimited", null] as const) } : {}),
    ...(random.chance(0.3) ? { maxActiveSchedules: random.pick([1, "unlimited", null] as const) } : {}),
    ...(random.chance(0.3) ? { maxHorizonMs: random.pick([60_000, "unlimited", null] as const) } : {}),
    ...(random.chance(0.3) ? { payloadBytesMax: random.pick([60, "unlimited", null] as const) } : {}),
  };
}

const recordKeys = ["a", "a/1", "a/2", "b", "worker/1", "Zoë", "a%2F"] as const;

export async function recordCall(scene: Scene): Promise<Write> {
  const { random, model } = scene;
  if (random.chance(0.2)) return { op: "records.remove", keys: [random.pick(recordKeys)] };
  const key = random.pick(recordKeys);
  const [before] = await model.records.get([key]);
  const revision = before?.revision ?? 1;
  const expected = random.pick(["any", "any", "absent", revision, revision, revision + 1] as const);
  const record = {
    key,
    value: `{"n":${scene.serial()}}`,
    expected,
    ...(random.chance(0.4) ? { ttlMs: random.pick([1, 5_000, 60_000]) } : {}),
  };
  return { op: "records.put", records: random.chance(0.2) ? [record, { ...record, value: "2" }] : [record] };
}

export function eventCall(scene: Scene): Write {
  const { random, now, actor } = scene;
  if (random.chance(0.6)) {
    const event = {
      type: "worker:error",
      tenant: scene.tenant,
      at: now,
      data: { message: `${scene.serial()}` },
    } as const;
    return {
      op: "events.append",
      events: [event, { ...event, queue: scene.queue, ...(actor === undefined ? {} : { actor }) }],
    };
  }
  const ageMs = random.pick([0, 10_000, 3_600_000]);
  if (random.chance(0.5))
    return { op: "events.purge", request: { olderThanMs: ageMs, limit: random.pick([1, 3, 1_000]) } };
  return {
    op: "events.purge",
    request: { named: { before: now - ageMs, ...(actor === undefined ? {} : { actor }) }, limit: 1_000 },
  };
}
