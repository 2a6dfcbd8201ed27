// Calls about schedules, made up from what the specification holds of them.
import type { ScheduleRemoval } from "../../src/core/engine.ts";
import type { Rule } from "../../src/core/rule.ts";
import {
  type Expected,
  nextTickOfRule,
  type Schedule,
  type ScheduleDefinition,
  type SchedulePut,
  type ScheduleRef,
} from "../../src/core/schedule.ts";
import { start } from "../../src/testing/conformance/harness.ts";
import type { Decision, Write } from "./call.ts";
import { input } from "./job-calls.ts";
import type { Scene } from "./scene.ts";

type Fire = Extract<Write, { readonly op: "schedules.fire" }>;

const overlaps = ["allow", "skip", "queue", "replace"] as const;

function someRef(scene: Scene): ScheduleRef {
  return { tenant: scene.tenant, id: scene.random.pick(scene.plan.schedules) };
}

/** One that there is, when there is one. */
async function storedSchedule(scene: Scene): Promise<Schedule | undefined> {
  const { items } = await scene.model.schedules.list({}, { limit: 100 });
  return items.length === 0 ? undefined : scene.random.pick(items);
}

export async function putCall(scene: Scene): Promise<Write> {
  const { random, plan } = scene;
  const puts: SchedulePut[] = [];
  for (let left = random.pick([1, 1, 1, 2]); left > 0; left--) puts.push(await put(scene));
  const guarded = plan.guardrails !== undefined && random.chance(0.9) ? { guardrails: plan.guardrails } : {};
  return { op: "schedules.put", puts, ...guarded };
}

async function put(scene: Scene): Promise<SchedulePut> {
  const { random, model, actor } = scene;
  const ref = someRef(scene);
  const before = await model.schedules.get(ref);
  const changed = before === undefined || random.chance(0.6);
  const enabled = random.chance(0.5) ? undefined : random.chance(0.5);
  return {
    ...ref,
    incarnation: random.chance(0.1) && before !== undefined ? before.incarnation : scene.newToken(),
    definition: changed ? definition(scene, ref, before?.definition) : before.definition,
    expected: expectedOf(scene, before),
    ...(enabled === undefined ? {} : { enabled }),
    ...(random.chance(0.1) ? { disabledReason: "by hand" } : {}),
    ...(random.chance(0.1) ? { of: before?.incarnation ?? "0000000000000000" } : {}),
    ...(enabled === false && random.chance(0.5) ? { cancelPending: true } : {}),
    ...(actor === undefined ? {} : { actor }),
  };
}

function expectedOf({ random }: Scene, before: Schedule | undefined): Expected {
  const revision = before?.revision ?? 1;
  return random.pick(["any", "any", "any", "absent", revision, revision, revision + 1]);
}

/** At times another rule and policy, at times only another input. */
function definition(scene: Scene, ref: ScheduleRef, before: ScheduleDefinition | undefined): ScheduleDefinition {
  const { random } = scene;
  if (before !== undefined && random.chance(0.3)) return { ...before, input: input(scene) };
  const rule = drawRule(scene, ref);
  return {
    rule,
    task: random.pick(["send", "sum"]),
    queue: scene.queue,
    input: input(scene),
    priority: random.pick([5, 5, 1]),
    jitterMs: random.pick([0, 0, 0, 400]),
    overlap: random.pick(overlaps),
    catchUp: random.pick([
      { policy: "latest", windowMs: 3_600_000, limit: 1_000 },
      { policy: "skip", windowMs: 3_600_000, limit: 1_000 },
      { policy: "all", limit: 3 },
      { policy: "all", windowMs: 60_000, limit: 1_000 },
    ] as const),
    ...(random.chance(0.1) ? { attemptsMax: 2 } : {}),
    ...(random.chance(0.1) ? { startAt: scene.now + random.pick([-1_000, 60_000]) } : {}),
    ...(random.chance(0.1) ? { endAt: scene.now + random.pick([1_000, 600_000]) } : {}),
    ...(random.chance(0.15) ? { maxTicks: random.between(1, 3) } : {}),
    ...(random.chance(0.15) ? { pauseOnFailure: random.between(1, 2) } : {}),
    ...(random.chance(0.1) ? { name: "a label" } : {}),
    ...(random.chance(0.1) ? { metadata: '{"team":"a"}' } : {}),
  };
}

/**
 * No two schedules ever tick at one instant: which of them then fires first is left to the engine, and decides which has
 * the last room of a tenant. Each has a phase of its own, in ms, and all periods are whole seconds.
 */
function drawRule({ random, now, plan }: Scene, { tenant, id }: ScheduleRef): Rule {
  const phase = 1 + plan.tenants.indexOf(tenant) * 10 + plan.schedules.indexOf(id);
  const everyMs = random.pick([1_000, 5_000, 60_000, 60_000, 3_600_000]);
  const every: Rule = { kind: "every", everyMs, anchor: start + phase };
  const once: Rule = {
    kind: "once",
    at: Math.floor(now / 1_000) * 1_000 + random.pick([-60_000, 0, 5_000, 90_000]) + phase,
  };
  if (phase === 1 && random.chance(0.3)) return { kind: "cron", expression: "*/2 * * * *", timezone: "Europe/Paris" };
  return random.pick([every, every, every, once, { kind: "union", rules: [every, once] }]);
}

export async function removeCall(scene: Scene): Promise<Write> {
  const { random, actor } = scene;
  const found = await storedSchedule(scene);
  const { tenant, id } = found ?? someRef(scene);
  const revision = found?.revision ?? 1;
  const removal: ScheduleRemoval = {
    tenant,
    id,
    ...(random.chance(0.3) ? { expected: random.pick([revision, revision + 1]) } : {}),
    ...(random.chance(0.2) ? { of: found?.incarnation ?? "0000000000000000" } : {}),
    ...(random.chance(0.5) ? { cancelPending: true } : {}),
    ...(actor === undefined ? {} : { actor }),
  };
  return { op: "schedules.remove", removals: [removal] };
}

export function fireCall(scene: Scene): Write {
  const { random } = scene;
  const decision: Decision = random.chance(0.04)
    ? { kind: "moved", part: random.pick(["cursor", "revision", "incarnation"]) }
    : { kind: "ticks" };
  return { op: "schedules.fire", decision, limit: random.pick([1, 2, 500, 500, 500]), ...guarded(scene) };
}

function guarded({ random, plan }: Scene): Pick<Fire, "guardrails"> {
  return plan.guardrails !== undefined && random.chance(0.9) ? { guardrails: plan.guardrails } : {};
}

/** A trigger or a backfill of a schedule. */
export async function operateCall(scene: Scene): Promise<Write | undefined> {
  const { random } = scene;
  const found = await storedSchedule(scene);
  if (found === undefined) return undefined;
  const only = [{ tenant: found.tenant, id: found.id }];
  if (random.chance(0.6)) return { op: "schedules.fire", decision: trigger(scene), limit: 1, only, ...guarded(scene) };
  const overlap = random.pick([found.definition.overlap, ...overlaps]);
  const decision = backfill(scene, found, overlap);
  return { op: "schedules.fire", decision, limit: 1, only, overlap, ...guarded(scene) };
}

function trigger({ random, now, actor }: Scene): Decision {
  const operation = random.pick(["op-1", "op-2", "op-3"]);
  const tick = random.chance(0.4) ? { tick: now - random.pick([0, 60_000]) } : {};
  return { kind: "trigger", operation, ...tick, ...(actor === undefined ? {} : { actor }) };
}

function backfill({ random, now, actor }: Scene, schedule: Schedule, overlap: (typeof overlaps)[number]): Decision {
  const from = now - random.pick([5_000, 120_000]);
  const ticks: number[] = [];
  for (let tick = nextTickOfRule(schedule, from); tick !== undefined && tick <= now && ticks.length < 4; ) {
    ticks.push(tick);
    tick = nextTickOfRule(schedule, tick);
  }
  const backfill = {
    operation: random.pick(["fill-1", "fill-2"]),
    incarnation: random.chance(0.9) ? schedule.incarnation : "0000000000000000",
    ticks,
    overlap,
    ...(random.chance(0.3) ? { spacingMs: 500 } : {}),
    ...(random.chance(0.3) ? { priority: 10 } : {}),
    ...(actor === undefined ? {} : { actor }),
  };
  return { kind: "backfill", backfill };
}
