// Jobs in memory: the contract's JobStore over the world.
import { changeEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type {
  Change,
  ChangeAnswer,
  ExtendOutcome,
  Extension,
  JobFilter,
  JobName,
  JobStore,
  PurgeAnswer,
  PurgeRequest,
  SettleAnswer,
  StatsFilter,
} from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import { allows, dueInstant, isFinished, type Job, shownState } from "../../core/job.ts";
import { holds, isRepeat } from "../../core/lease.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { LaneCounts } from "../../core/queue.ts";
import { appendLog, applySettlement, cancelJob, reviveJob, type Settlement } from "../../core/settling.ts";
import type { TenantId } from "../../core/tenant.ts";
import { claim } from "./claim.ts";
import { end } from "./ending.ts";
import { insertAll } from "./insert.ts";
import type { World } from "./world.ts";

export function jobStore(world: World): JobStore {
  return {
    insert: async (inserts) =>
      world.step((now) => inserts.map(({ jobs, guardrails }) => insertAll(world, jobs, guardrails, now))),
    claim: async (request) => world.step((now) => claim(world, request, now)),
    extend: async (extensions, leaseMs) =>
      world.step((now) => extensions.map((extension) => extend(world, extension, leaseMs, now))),
    settle: async (settlements) => world.step((now) => settlements.map((one) => settle(world, one, now))),
    change: async (changes) => world.step((now) => changes.map((one) => change(world, one, now))),
    get: async (id, tenant) => find(world, id, tenant),
    list: async (filter, page) => world.step((now) => list(world, filter, page, now)),
    stats: async (filter) => world.step((now) => stats(world, filter, now)),
    purge: async (request) => world.step((now) => purge(world, request, now)),
  };
}

function find(world: World, id: JobId, tenant: TenantId | undefined): Job | undefined {
  const job = world.jobs.get(id)?.job;
  return tenant === undefined || job?.tenant === tenant ? job : undefined;
}

function extend(world: World, extension: Extension, leaseMs: number, now: Millis): ExtendOutcome {
  const job = world.jobs.get(extension.lease.id)?.job;
  if (job === undefined || !holds(extension.lease, job)) return "lost";
  world.save(
    {
      ...job,
      leaseUntil: now + leaseMs,
      started: job.started === true || extension.started === true,
      progress: extension.progress ?? job.progress,
      log: appendLog(job.log, extension.log ?? []),
    },
    now,
  );
  return job.cancelRequested === true ? "cancelling" : "held";
}

function settle(world: World, settlement: Settlement, now: Millis): SettleAnswer {
  const { lease } = settlement;
  const job = world.jobs.get(lease.id)?.job;
  if (job === undefined) return { outcome: "unknown" };
  if (isRepeat(lease, job)) return { outcome: "settled", state: job.state };
  if (!holds(lease, job)) return { outcome: "lost" };
  const after = applySettlement(job, settlement, now, world.slots(job).successor !== undefined);
  const told = isFinished(after.state) ? end(world, after, now) : {};
  if (!isFinished(after.state)) world.save(after, now);
  else if (world.queues.get(job.queue)?.concurrency !== undefined) {
    // A place has become free in a queue whose claims were limited.
    world.signal({ kind: "wake", queue: job.queue, dueAt: now }, now);
  }
  return { outcome: "settled", state: after.state, ...told };
}

function change(world: World, request: Change, now: Millis): ChangeAnswer {
  const target = targetOf(world, request.name);
  if (target === undefined) return { outcome: "unknown" };
  const { job, activeId } = target;
  const answer = (outcome: ChangeAnswer["outcome"], state: Job["state"] = job.state): ChangeAnswer => ({
    outcome,
    id: job.id,
    state,
    ...(activeId === undefined ? {} : { activeId }),
  });
  const { change: wish, actor } = request;
  const save = (after: Job): ChangeAnswer => {
    world.save(after, now);
    world.append(changeEvent(job, request, now));
    return answer("changed", after.state);
  };
  if (job.state === "active") {
    if (wish.kind !== "cancel" || wish.unleased === true) return answer("active");
    world.askToCancel(job, now);
    return answer("cancelling");
  }
  if (wish.kind === "retry") {
    if (job.state === "pending") return save({ ...job, dueAt: now });
    if (!allows("revive", job.state)) return answer("finished");
    if (world.slots(job).current !== undefined) return answer("key-in-use");
    return save(reviveJob(job, now));
  }
  if (isFinished(job.state)) return answer("finished");
  switch (wish.kind) {
    case "cancel":
      end(world, cancelJob(job, "cancelled", "cancelled before it was started", now), now, actor);
      return answer("changed", "cancelled");
    case "reschedule":
      return save({ ...job, dueAt: dueInstant(wish.due, now) });
    case "update":
      return save({ ...job, input: wish.input });
  }
}

/** The job a change is about; with a key, its successor when the current one is active. */
function targetOf(world: World, name: JobName): { job: Job; activeId?: JobId } | undefined {
  if ("id" in name) {
    const job = find(world, name.id, name.tenant);
    return job === undefined ? undefined : { job };
  }
  const slots = world.slots(name);
  const current = slots.current === undefined ? undefined : world.jobs.get(slots.current)?.job;
  const successor = slots.successor === undefined ? undefined : world.jobs.get(slots.successor)?.job;
  if (current === undefined) return undefined;
  return successor === undefined ? { job: current } : { job: successor, activeId: current.id };
}

function list(
  world: World,
  filter: JobFilter,
  page: { readonly limit: number; readonly cursor?: string },
  now: Millis,
): Page<Job> {
  const before = page.cursor === undefined ? Number.POSITIVE_INFINITY : Number(decodeCursor(page.cursor, 1)[0]);
  const found = [...world.jobs.values()]
    .filter(({ job, seq }) => seq < before && matches(job, filter, now))
    .sort((a, b) => b.seq - a.seq);
  const items = found.slice(0, page.limit);
  const last = items.at(-1);
  return {
    items: items.map(({ job }) => job),
    ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last.seq]) } : {}),
  };
}

function matches(job: Job, filter: JobFilter, now: Millis): boolean {
  return (
    (filter.tenant === undefined || job.tenant === filter.tenant) &&
    (filter.queue === undefined || job.queue === filter.queue) &&
    (filter.task === undefined || job.task === filter.task) &&
    (filter.schedule === undefined || job.schedule?.id === filter.schedule) &&
    (filter.states === undefined || filter.states.includes(job.state)) &&
    (filter.pending === undefined || job.state !== "pending" || shownState(job, now) === filter.pending) &&
    (filter.keyed !== true || job.key !== undefined) &&
    (filter.keyPrefix === undefined || job.key?.startsWith(filter.keyPrefix) === true) &&
    (filter.dueFrom === undefined || job.dueAt >= filter.dueFrom) &&
    (filter.dueBefore === undefined || job.dueAt < filter.dueBefore)
  );
}

function stats(world: World, filter: StatsFilter, now: Millis): LaneCounts[] {
  const rows: LaneCounts[] = [];
  for (const queue of world.lanes.keys()) {
    if (filter.queue !== undefined && filter.queue !== queue) continue;
    for (const lane of world.promote(queue, now)) {
      if (filter.tenant !== undefined && filter.tenant !== lane.tenant) continue;
      const { ready, deferred, held, active, completed, failed, cancelled } = lane.counts;
      const delayed = deferred + held;
      const { tenant, totals } = lane;
      rows.push({
        tenant,
        queue,
        waiting: ready,
        delayed,
        active,
        completed,
        failed,
        cancelled,
        totals: { ...totals },
      });
    }
  }
  return rows;
}

function purge(world: World, request: PurgeRequest, now: Millis): PurgeAnswer {
  const completedCountMax = request.completedCountMax ?? world.retention.completedCountMax;
  const endedCountMax = request.endedCountMax ?? world.retention.endedCountMax;
  const kept = new Map<string, number>();
  const doomed: JobId[] = [];
  const finished = [...world.jobs.values()].filter(({ job }) => isFinished(job.state));
  finished.sort((a, b) => (b.job.finishedAt ?? 0) - (a.job.finishedAt ?? 0) || b.seq - a.seq);
  for (const { job } of finished) {
    const completed = job.state === "completed";
    const group = `${completed}\n${job.queue}`;
    const rank = (kept.get(group) ?? 0) + 1;
    const tooOld = job.expiresAt !== undefined && job.expiresAt <= now;
    const tooMany = rank > (completed ? completedCountMax : endedCountMax);
    if (tooOld || tooMany) doomed.push(job.id);
    else kept.set(group, rank);
  }
  for (const id of doomed.slice(0, request.limit)) world.drop(id);
  for (const [key, used] of world.idempotency) if (used.expiresAt <= now) world.idempotency.delete(key);
  for (const [key, { expiresAt }] of world.records) {
    if (expiresAt !== undefined && expiresAt <= now) world.records.delete(key);
  }
  return { deleted: Math.min(doomed.length, request.limit), more: doomed.length > request.limit };
}
