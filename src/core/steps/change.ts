// Changes by people and programs that hold no lease: cancel, retry, reschedule, update.
import { changeEvent } from "../audit.ts";
import type { Change, ChangeAnswer, JobName } from "../engine.ts";
import { changeLimit, type Guardrails } from "../guardrails.ts";
import type { JobId } from "../id.ts";
import { allows, dueInstant, isFinished, type Job } from "../job.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import { cancelJob, reviveJob } from "../transitions.ts";
import { askToCancel, endJob } from "./ending.ts";

interface Target<S> {
  readonly stored: S;
  readonly activeId?: JobId;
}

/** One change. @param given the limits that every tenant has; the job's own tenant's record is read over these */
export function changeJob<S extends StoredJob>(
  ledger: Ledger<S>,
  request: Change,
  given: Guardrails | undefined,
): ChangeAnswer {
  const target = targetOf(ledger, request.name);
  if (target === undefined) return { outcome: "unknown" };
  const { now } = ledger;
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
    const guardrails = ledger.guardrails(job.tenant, given);
    const hit = changeLimit(job, wish, guardrails, now, () => ledger.unfinished(job.tenant));
    if (hit !== undefined) return { ...answer("limit"), hit: { ...hit, tenant: job.tenant } };
    ledger.saveJob(after, stored);
    ledger.append(changeEvent(job, request, now));
    return answer("changed", after.state);
  };
  if (job.state === "active") {
    if (wish.kind !== "cancel" || wish.unleased === true) return answer("active");
    askToCancel(ledger, stored, actor);
    return answer("cancelling");
  }
  if (wish.kind === "retry") {
    if (job.state === "pending") return save({ ...job, dueAt: now });
    if (!allows("revive", job.state)) return answer("finished");
    if (ledger.slotsOf(job).current !== undefined) return answer("key-in-use");
    return save(reviveJob(job, now));
  }
  if (isFinished(job.state)) return answer("finished");
  switch (wish.kind) {
    case "cancel":
      endJob(ledger, cancelJob(job, "cancelled", "cancelled before it was started", now), stored, actor);
      return answer("changed", "cancelled");
    case "reschedule":
      return save({ ...job, dueAt: dueInstant(wish.due, now) });
    case "update":
      return save({ ...job, input: wish.input });
  }
}

/** The job a change is about; with a key, its successor when the current one is active. */
function targetOf<S extends StoredJob>(ledger: Ledger<S>, name: JobName): Target<S> | undefined {
  if ("id" in name) {
    const stored = ledger.findJob(name.id);
    return stored === undefined || (name.tenant !== undefined && stored.job.tenant !== name.tenant)
      ? undefined
      : { stored };
  }
  const { current, successor } = ledger.slotsOf(name);
  if (current === undefined) return undefined;
  return successor === undefined ? { stored: current } : { stored: successor, activeId: current.job.id };
}
