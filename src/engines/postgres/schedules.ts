// Schedules in PostgreSQL: the contract's ScheduleStore. What a put, a removal or a fire does are steps of core.
import type { PutAnswer, RemoveOutcome, ScheduleRemoval, ScheduleStore } from "../../core/engine.ts";
import { effectiveGuardrails, type Guardrails } from "../../core/guardrails.ts";
import type { SchedulePut, ScheduleRef } from "../../core/schedule.ts";
import { putSchedule, removeSchedule } from "../../core/steps/schedules.ts";
import { Missing, Names } from "../../core/workspace/names.ts";
import { nothingLoaded, type Workspace } from "../../core/workspace/workspace.ts";
import type { TransactionOptions } from "./connections.ts";
import { fire } from "./firing.ts";
import { listSchedules } from "./schedule-listing.ts";
import { type ScheduleRow, toSchedule } from "./schedule-rows.ts";
import type { Steps } from "./steps.ts";
import { eachAlone } from "./together.ts";

const findStatement = `-- schedules.find
SELECT tenant, id, schedule FROM punctual.schedules WHERE tenant = $1 AND id = $2`;

export function scheduleStore(steps: Steps): ScheduleStore {
  return {
    put: (puts, guardrails) => eachAlone(puts, (some, options) => putAll(steps, some, guardrails, options)),
    get: async ({ tenant, id }) => {
      const [row] = (await steps.connections.run(findStatement, [tenant, id])) as ScheduleRow[];
      return row === undefined ? undefined : toSchedule(row);
    },
    list: (filter, page) => listSchedules(steps, filter, page),
    remove: (removals) => eachAlone(removals, (some, options) => removeAll(steps, some, options)),
    fire: (request) => fire(steps, request),
  };
}

function putAll(
  steps: Steps,
  puts: readonly SchedulePut[],
  given: Guardrails | undefined,
  options: TransactionOptions,
): Promise<PutAnswer[]> {
  return steps.begin(async (step) => {
    const loaded = nothingLoaded();
    const tenants = new Names();
    for (const { tenant } of puts) tenants.tenants.add(tenant);
    await step.load(tenants, loaded);
    const names = new Names();
    for (const put of puts) {
      names.schedule(put);
      const { maxActiveSchedules } = effectiveGuardrails(loaded.tenants.get(put.tenant), given);
      if (maxActiveSchedules === undefined) continue;
      names.activeOf.set(put.tenant, (names.activeOf.get(put.tenant) ?? 0) + 1);
    }
    const decide = withPending(
      puts.filter((put) => put.cancelPending === true),
      (workspace) => puts.map((put) => putSchedule(workspace, put, given)),
    );
    return step.decide(names, decide, loaded);
  }, options);
}

function removeAll(
  steps: Steps,
  removals: readonly ScheduleRemoval[],
  options: TransactionOptions,
): Promise<RemoveOutcome[]> {
  return steps.run(
    (names) => {
      for (const removal of removals) names.schedule(removal);
    },
    withPending(
      removals.filter((removal) => removal.cancelPending === true),
      (workspace) => removals.map((removal) => removeSchedule(workspace, removal)),
    ),
    options,
  );
}

/** A decision that may cancel the jobs of schedules: all of them are loaded at once, not one by one as they are asked for. */
function withPending<T>(
  refs: readonly ScheduleRef[],
  decide: (workspace: Workspace) => T,
): (workspace: Workspace) => T {
  const looks = refs.length === 0 ? [] : [nameUnfinished, nameTheirJobs];
  return (workspace) => {
    const look = looks.shift();
    if (look !== undefined) {
      const found = refs.flatMap((ref) => workspace.findSchedule(ref)?.incarnation ?? []);
      if (found.length > 0) throw new Missing((names) => look(names, found, workspace));
    }
    return decide(workspace);
  };
}

function nameUnfinished(names: Names, incarnations: readonly string[]): void {
  for (const incarnation of incarnations) names.incarnations.add(incarnation);
}

function nameTheirJobs(names: Names, incarnations: readonly string[], workspace: Workspace): void {
  // Once they are locked their states are read anew: a claim may have come in between.
  nameUnfinished(names, incarnations);
  for (const incarnation of incarnations) {
    for (const { id } of workspace.unfinishedOf(incarnation)) names.jobs.add(id);
  }
}
