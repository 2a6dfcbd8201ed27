// Firing: finds what is due and nobody else holds, locks it, and lets core decide and apply, in a few statements for
// however many schedules. What another transaction holds stays due, and keeps nobody else waiting.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { FireAnswer, FireRequest, FireResult } from "../../core/engine.ts";
import { effectiveGuardrails } from "../../core/guardrails.ts";
import type { Schedule, ScheduleRef } from "../../core/schedule.ts";
import type { FireStep } from "../../core/step.ts";
import { fireSchedules } from "../../core/steps/schedules.ts";
import { Missing, Names, pairText } from "../../core/workspace/names.ts";
import { type Loaded, nothingLoaded, type Workspace } from "../../core/workspace/workspace.ts";
import { dueTenants, lockDue } from "./due-schedules.ts";
import { checkEpoch, epochHolds } from "./migrations/migrate.ts";
import { nowOf } from "./sql.ts";
import type { Step, Steps } from "./steps.ts";

/** When to look again for what another transaction holds, in ms. */
const heldLookMs = 250;

const next =
  "SELECT next_at::float8 AS next_at FROM punctual.schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";

const idleStatement = `-- schedules.idle
SELECT ${epochHolds} AS holds, ${nowOf("$1")}::float8 AS now, (${next}) AS next_at`;

const nextStatement = `-- schedules.next\n${next}`;

/** Fires what is due, or what an operation names. */
export async function fire(steps: Steps, request: FireRequest): Promise<FireAnswer> {
  const { only } = request;
  if (only !== undefined) return steps.begin((step) => fireNamed(step, request, only));
  // Most looks find nothing due: those lock nothing.
  const [row] = await steps.connections.run(idleStatement, [steps.testNow]);
  if (row?.["holds"] === true && (row["next_at"] === null || row["next_at"] > row["now"])) {
    return { fired: [], nextDueAt: row["next_at"] ?? undefined };
  }
  return steps.begin((step) => fireDue(step, request));
}

async function fireNamed(step: Step, request: FireRequest, only: readonly ScheduleRef[]): Promise<FireAnswer> {
  await checkEpoch(step.session);
  const loaded = nothingLoaded();
  const tenants = new Names();
  for (const { tenant } of only) tenants.tenants.add(tenant);
  await step.load(tenants, loaded);
  const names = new Names();
  for (const ref of only) names.schedule(ref);
  nameCounts(names, loaded, request);
  let hasLooked = false;
  const { decide } = firing(request, (workspace) => {
    const found = only.flatMap((ref) => workspace.findSchedule(ref) ?? []);
    if (hasLooked || found.length === 0) return found;
    hasLooked = true;
    throw new Missing((wanted) => nameUnfinished(wanted, loaded, found, request));
  });
  const fired = await step.decide(names, decide, loaded);
  return { fired, nextDueAt: await nextTickAt(step) };
}

async function fireDue(step: Step, request: FireRequest): Promise<FireAnswer> {
  const { now, session } = step;
  const { limit } = request;
  await checkEpoch(session);
  const loaded = nothingLoaded();
  for (const [tenant, own] of await dueTenants(session, now, limit)) loaded.tenants.set(tenant, own);
  // Counts are locked before schedules, by whoever needs both.
  const counts = new Names();
  nameCounts(counts, loaded, request);
  await step.load(counts, loaded);
  const { found, seen, broken } = await lockDue(session, now, limit);
  const names = new Names();
  for (const schedule of found) {
    loaded.schedules.set(pairText(schedule.tenant, schedule.id), schedule);
    if (!loaded.tenants.has(schedule.tenant)) names.tenants.add(schedule.tenant);
  }
  nameUnfinished(names, loaded, found, request);
  const { decide, isBehind } = firing(request, (workspace) => {
    for (const event of broken) workspace.append(event);
    return found;
  });
  const fired = seen === 0 ? [] : await step.decide(names, decide, loaded);
  const nextDueAt = await nextTickAt(step);
  // What was not looked at for the limit is still to be fired; what is held by others must not be asked for at once.
  const isMore = isBehind(found.length, now) || (seen >= limit && found.length + broken.length > 0);
  if (isMore || nextDueAt === undefined || nextDueAt > now) return { fired, nextDueAt };
  return { fired, nextDueAt: now + heldLookMs };
}

/** Names the counts of tenants that a limit holds. */
function nameCounts(names: Names, { tenants }: Loaded, { guardrails, only, limit }: FireRequest): void {
  for (const [tenant, own] of tenants) {
    if (effectiveGuardrails(own, guardrails).maxPendingJobs === undefined) continue;
    names.unfinishedOf.set(tenant, defaults.ticksPerStepMax * (only?.length ?? limit));
  }
}

/** Names the unfinished jobs that the overlap policies look at; `allow` looks at none, and may have many. */
function nameUnfinished(names: Names, loaded: Loaded, found: readonly Schedule[], { overlap }: FireRequest): void {
  for (const { definition, incarnation } of found) {
    if ((overlap ?? definition.overlap) === "allow") {
      loaded.unfinished.set(incarnation, []);
      loaded.partly.add(incarnation);
    } else names.incarnations.add(incarnation);
  }
}

/**
 * Fires what `find` gives. The request decides once: what its steps touch is then loaded, all at once, and the run that
 * follows is given the same steps.
 */
function firing(request: FireRequest, find: (workspace: Workspace) => readonly Schedule[]) {
  let steps: readonly FireStep[] | undefined;
  const once: FireRequest = {
    ...request,
    decide: (due, now) => {
      if (steps !== undefined) return steps;
      const made = request.decide(due, now);
      steps = made;
      throw new Missing((names) => nameTouched(names, made));
    },
  };
  return {
    decide: (workspace: Workspace): FireResult[] => fireSchedules(workspace, find(workspace), once),
    /** Whether of what was given some is due still: it has more to fire, or the request leaves it to others. */
    isBehind: (given: number, now: Millis) =>
      steps !== undefined &&
      (steps.length < given || steps.some(({ to }) => (to.cursor.nextAt ?? Number.POSITIVE_INFINITY) <= now)),
  };
}

function nameTouched(names: Names, steps: readonly FireStep[]): void {
  for (const { insert, cancel, operationJob } of steps) {
    for (const { id } of insert) names.fresh.add(id);
    for (const id of cancel) names.jobs.add(id);
    if (operationJob === undefined) continue;
    names.jobs.add(operationJob);
    names.fired.add(operationJob);
  }
}

async function nextTickAt({ session }: Step): Promise<Millis | undefined> {
  const [row] = await session.run(nextStatement);
  return row?.["next_at"];
}
