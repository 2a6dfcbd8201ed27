// Changes by people and programs that hold no lease: cancel, retry, reschedule, update.
import { changeEvent } from "../../core/audit.ts";
import type { Change, ChangeAnswer, JobName } from "../../core/engine.ts";
import { changeLimit, type Guardrails } from "../../core/guardrails.ts";
import { allows, dueInstant, isFinished, type Job } from "../../core/job.ts";
import { cancelJob, reviveJob } from "../../core/transitions.ts";
import { askToCancel, endJob } from "./ending.ts";
import { findJob, saveJob, slotsOf } from "./job-table.ts";
import type { Stored } from "./rows.ts";
import type { Tx } from "./tx.ts";

interface Target {
  readonly stored: Stored;
  readonly activeId?: string;
}

export function change(tx: Tx, request: Change, given: Guardrails | undefined): ChangeAnswer {
  const target = targetOf(tx, request.name);
  if (target === undefined) return { outcome: "unknown" };
  const { stored, activeId } = target;
  const { job } = stored;
  const { change: wish, actor } = request;
  const answer = (outcome: ChangeAnswer["outcome"], state: Job["state"] = job.state): ChangeAnswer => ({
    outcome,
    id: job.id,
    state,
    ...(activeId === undefined ? {} : { activeId }),
  });
  const save = (after: Job): ChangeAnswer => {
    const guardrails = tx.tenants.guardrails(job.tenant, given);
    const hit = changeLimit(job, wish, guardrails, tx.now, () => tx.lanes.unfinished(job.tenant));
    if (hit !== undefined) return { ...answer("limit"), hit: { ...hit, tenant: job.tenant } };
    saveJob(tx, after, stored);
    tx.append(changeEvent(job, request, tx.now));
    return answer("changed", after.state);
  };
  if (job.state === "active") {
    if (wish.kind !== "cancel" || wish.unleased === true) return answer("active");
    askToCancel(tx, stored, actor);
    return answer("cancelling");
  }
  if (wish.kind === "retry") {
    if (job.state === "pending") return save({ ...job, dueAt: tx.now });
    if (!allows("revive", job.state)) return answer("finished");
    if (slotsOf(tx, job).current !== undefined) return answer("key-in-use");
    return save(reviveJob(job, tx.now));
  }
  if (isFinished(job.state)) return answer("finished");
  switch (wish.kind) {
    case "cancel":
      endJob(tx, cancelJob(job, "cancelled", "cancelled before it was started", tx.now), stored, actor);
      return answer("changed", "cancelled");
    case "reschedule":
      return save({ ...job, dueAt: dueInstant(wish.due, tx.now) });
    case "update":
      return save({ ...job, input: wish.input });
  }
}

/** The job a change is about; with a key, its successor when the current one is active. */
function targetOf(tx: Tx, name: JobName): Target | undefined {
  if ("id" in name) {
    const stored = findJob(tx, name.id);
    return stored === undefined || (name.tenant !== undefined && stored.job.tenant !== name.tenant)
      ? undefined
      : { stored };
  }
  const { current, successor } = slotsOf(tx, name);
  if (current === undefined) return undefined;
  return successor === undefined ? { stored: current } : { stored: successor, activeId: current.job.id };
}
