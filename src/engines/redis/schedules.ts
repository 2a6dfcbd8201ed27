// Schedules in Redis: the contract's ScheduleStore. What a put, a removal or a fire does are steps of core.
import type { PutAnswer, RemoveOutcome, ScheduleRemoval, ScheduleStore } from "../../core/engine.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import type { SchedulePut, ScheduleRef } from "../../core/schedule.ts";
import { putSchedule, removeSchedule } from "../../core/steps/schedules.ts";
import { Missing, type Names } from "../../core/workspace/names.ts";
import type { Workspace } from "../../core/workspace/workspace.ts";
import { fire } from "./firing.ts";
import { getSchedule, listSchedules } from "./schedule-listing.ts";
import { scheduleName } from "./schedule-rows.ts";
import type { Steps } from "./steps.ts";

/** Schedules that are saved or removed in one step, at most. */
const batchMax = 250;

/** Steps on their way at once: while the server writes one, the next is decided. */
const inFlightMax = 3;

export function scheduleStore(steps: Steps): ScheduleStore {
  const { access } = steps;
  return {
    put: (puts, guardrails) => inBatches(puts, (some) => putAll(steps, some, guardrails)),
    get: (ref) => getSchedule(access, ref),
    list: (filter, page) => listSchedules(access, filter, page),
    remove: (removals) => inBatches(removals, (some) => removeAll(steps, some)),
    fire: (request) => fire(steps, request),
  };
}

/** In batches, several at once; one after the other where a schedule is named twice. */
async function inBatches<Item extends ScheduleRef, Answer>(
  items: readonly Item[],
  work: (some: readonly Item[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  if (items.length <= batchMax) return work(items);
  const batches = Array.from({ length: Math.ceil(items.length / batchMax) }, (_, index) =>
    items.slice(index * batchMax, (index + 1) * batchMax),
  );
  const isNamedOnce = new Set(items.map(scheduleName)).size === items.length;
  const answers: Answer[][] = [];
  let next = 0;
  const workOn = async () => {
    for (let index = next++; index < batches.length; index = next++) answers[index] = await work(batches[index] ?? []);
  };
  // All of them end before one that fails is told: nothing is written after the call.
  const ended = await Promise.allSettled(Array.from({ length: isNamedOnce ? inFlightMax : 1 }, workOn));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return answers.flat();
}

function putAll(steps: Steps, puts: readonly SchedulePut[], given: Guardrails | undefined): Promise<PutAnswer[]> {
  const decide = withPending(
    puts.filter((put) => put.cancelPending === true),
    (workspace) => puts.map((put) => putSchedule(workspace, put, given)),
  );
  return steps.run((names) => {
    for (const put of puts) {
      names.schedule(put);
      names.tenants.add(put.tenant);
      names.activeOf.set(put.tenant, 1);
    }
  }, decide);
}

function removeAll(steps: Steps, removals: readonly ScheduleRemoval[]): Promise<RemoveOutcome[]> {
  const decide = withPending(
    removals.filter((removal) => removal.cancelPending === true),
    (workspace) => removals.map((removal) => removeSchedule(workspace, removal)),
  );
  return steps.run((names) => {
    for (const removal of removals) names.schedule(removal);
  }, decide);
}

/** A decision that may cancel the jobs of schedules: all of them are read at once, not one by one as they are asked for. */
function withPending<T>(
  refs: readonly ScheduleRef[],
  decide: (workspace: Workspace) => T,
): (workspace: Workspace) => T {
  if (refs.length === 0) return decide;
  return (workspace) => {
    const incarnations = refs.flatMap((ref) => workspace.findSchedule(ref)?.incarnation ?? []);
    const unfinished = incarnations.flatMap((incarnation) => {
      return askAll(
        incarnations,
        (names) => names.incarnations,
        () => workspace.unfinishedOf(incarnation),
      );
    });
    const ids = unfinished.map(({ id }) => id);
    for (const id of ids)
      askAll(
        ids,
        (names) => names.jobs,
        () => workspace.findJob(id),
      );
    return decide(workspace);
  };
}

/** A look that lacks one of several asks for all of them. */
function askAll<T>(names: readonly string[], kind: (names: Names) => Set<string>, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    throw new Missing((wanted) => {
      for (const name of names) kind(wanted).add(name);
    });
  }
}
