// Jobs in memory: the contract's JobStore over the world.
import { changeEvent, waitsAgainEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type {
  Change,
  ChangeAnswer,
  ExtendOutcome,
  Extension,
  JobName,
  JobStore,
  SettleAnswer,
  StatsFilter,
} from "../core/engine.ts";
import { changeLimit, type Guardrails } from "../core/guardrails.ts";
import type { JobId } from "../core/id.ts";
import { allows, dueInstant, isFinished, type Job } from "../core/job.ts";
import { holds, isRepeat } from "../core/lease.ts";
import type { LaneCounts } from "../core/queue.ts";
import type { Settlement } from "../core/settling.ts";
import type { TenantId } from "../core/tenant.ts";
import { appendLog, applySettlement, cancelJob, reviveJob } from "../core/transitions.ts";
import { claim } from "./claim.ts";
import { end } from "./ending.ts";
import { insertAll } from "./insert.ts";
import { listJobs } from "./listing.ts";
import { purgeFinished, purgeJobs } from "./retention.ts";
import type { Run } from "./run.ts";
import type { World } from "./world.ts";

export function jobStore(run: Run): JobStore {
  return {
    insert: (inserts) =>
      run((world, now) => inserts.map(({ jobs, guardrails }) => insertAll(world, jobs, guardrails, now))),
    claim: (request) => run((world, now) => claim(world, request, now)),
    extend: (extensions, leaseMs) =>
      run((world, now) => extensions.map((extension) => extend(world, extension, leaseMs, now))),
    settle: (settlements) => run((world, now) => settlements.map((one) => settle(world, one, now))),
    change: (changes, guardrails) => run((world, now) => changes.map((one) => change(world, one, guardrails, now))),
    get: (id, tenant) => run((world) => find(world, id, tenant)),
    list: (filter, page) => run((world, now) => listJobs(world, filter, page, now)),
    stats: (filter) => run((world, now) => stats(world, filter, now)),
    purge: (request) =>
      run((world, now) =>
        request.finished === undefined
          ? purgeJobs(world, request, now)
          : purgeFinished(world, request.finished, request.limit, now),
      ),
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
  if (!isFinished(after.state)) {
    world.save(after, now);
    if (world.retention.auditsAll) world.append(waitsAgainEvent(after, settlement, now));
  }
  world.wakeLimited(job.queue, now);
  return { outcome: "settled", state: after.state, ...told };
}

function change(world: World, request: Change, given: Guardrails | undefined, now: Millis): ChangeAnswer {
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
    const guardrails = world.tenants.guardrailsOf(job.tenant, given);
    const hit = changeLimit(job, wish, guardrails, now, () => world.tenants.unfinishedJobs(job.tenant));
    if (hit !== undefined) return { ...answer("limit"), hit: { ...hit, tenant: job.tenant } };
    world.save(after, now);
    world.append(changeEvent(job, request, now));
    return answer("changed", after.state);
  };
  if (job.state === "active") {
    if (wish.kind !== "cancel" || wish.unleased === true) return answer("active");
    world.askToCancel(job, now, actor);
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

function stats(world: World, filter: StatsFilter, now: Millis): LaneCounts[] {
  const rows: LaneCounts[] = [];
  for (const [queue, lanes] of world.lanes) {
    if (filter.queue !== undefined && filter.queue !== queue) continue;
    for (const lane of lanes.values()) {
      if (filter.tenant !== undefined && filter.tenant !== lane.tenant) continue;
      const { ready, deferred, held, active, completed, failed, cancelled } = lane.counts;
      const due = lane.countDue(now);
      const delayed = deferred - due + held;
      const { tenant, totals } = lane;
      rows.push({
        tenant,
        queue,
        waiting: ready + due,
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
