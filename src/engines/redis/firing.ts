// Firing: reads what is due, lets core decide, and writes all steps at once with their jobs. Of two processes that fire the
// same schedules one writes; the other finds that they have moved, and looks again.
import { randomBytes } from "node:crypto";
import type { Millis } from "../../core/clock.ts";
import type { FireAnswer, FireRequest, FireResult } from "../../core/engine.ts";
import { advance, type Schedule } from "../../core/schedule.ts";
import type { FireStep } from "../../core/step.ts";
import { fireSchedules } from "../../core/steps/schedules.ts";
import type { TenantId } from "../../core/tenant.ts";
import { Missing, Names, pairText } from "../../core/workspace/names.ts";
import type { Workspace } from "../../core/workspace/workspace.ts";
import { scheduleRef } from "./schedule-rows.ts";
import { dueScript, releaseDueScript } from "./scripts/due.ts";
import type { Reading } from "./step-reading.ts";
import type { Steps } from "./steps.ts";

/** Fires what is due, or what an operation names. */
export async function fire(steps: Steps, request: FireRequest): Promise<FireAnswer> {
  const { only } = request;
  if (only === undefined) return await fireDue(steps, request);
  const { answer, nextTickAt, wrote } = await steps.perform({
    fires: true,
    hint: (names) => {
      for (const ref of only) {
        names.schedule(ref);
        nameTenant(names, ref.tenant);
      }
    },
    decide: deciding(request, (workspace) => only.flatMap((ref) => workspace.findSchedule(ref) ?? [])),
  });
  if (wrote) return { fired: answer, nextDueAt: nextTickAt };
  return { fired: answer, nextDueAt: await nextTickOf(steps) };
}

async function fireDue(steps: Steps, request: FireRequest): Promise<FireAnswer> {
  const asker = randomBytes(8).toString("hex");
  try {
    return await fireInHand(steps, request, asker);
  } catch (error) {
    // Whatever was in hand is there for others at once; if that cannot be told, soon.
    const { access } = steps;
    await access.client.run(releaseDueScript, [access.testNow(), asker]).catch(() => {});
    throw error;
  }
}

async function fireInHand(steps: Steps, request: FireRequest, asker: string): Promise<FireAnswer> {
  let nextAt: Millis | undefined;
  const decide = deciding(request, (_, { due }) => due.found);
  const { answer, nextTickAt, wrote } = await steps.perform({
    inHand: asker,
    fires: true,
    look: async (reading) => {
      nextAt = await lookForDue(steps, { limit: request.limit, asker }, reading);
    },
    hint: (names, { due }) => {
      for (const { tenant } of due.found) nameTenant(names, tenant);
      nameUnfinished(names, due.found, request);
    },
    decide: (workspace, reading) => {
      for (const { tenant, id: schedule } of reading.due.broken) {
        const data = { reason: "what is stored of it cannot be read" };
        workspace.append({ type: "schedule:disabled", tenant, schedule, at: workspace.now, data });
      }
      for (const { schedule, after } of reading.due.behind) moveOn(workspace, schedule, after);
      return decide(workspace, reading);
    },
  });
  return { fired: answer, nextDueAt: wrote ? nextTickAt : nextAt };
}

/** Reads what is due into the step's reading; answers the earliest next tick of any schedule. */
async function lookForDue(
  { access }: Steps,
  { limit, asker }: { readonly limit: number; readonly asker: string },
  reading: Reading,
): Promise<Millis | undefined> {
  const reply = (await access.client.run(dueScript, [access.testNow(), limit, asker])) as readonly string[];
  const [now = "", next = "", ...rows] = reply;
  reading.begin(Number(now));
  for (let index = 0; index < rows.length; index += 2) {
    const ref = scheduleRef(rows[index] ?? "");
    reading.schedule(ref, rows[index + 1] ?? "");
    const schedule = reading.loaded.schedules.get(pairText(ref.tenant, ref.id));
    if (schedule === undefined || schedule === "unreadable") reading.due.broken.push(ref);
    else {
      const after = access.fired.beyond(schedule);
      if (after === undefined) reading.due.found.push(schedule);
      else reading.due.behind.push({ schedule, after });
    }
  }
  return next === "" ? undefined : Number(next);
}

/**
 * The store has forgotten that a schedule has fired: it goes on behind what is known. A job of that time may be lost; none
 * runs twice.
 */
function moveOn(workspace: Workspace, before: Schedule, after: Millis): void {
  const moved = advance(before, after);
  workspace.saveSchedule(moved);
  const reason = "the store had forgotten ticks that fired: a server without the last writes took over";
  const data = { reason, before: before.cursor.nextAt, after: moved.cursor.nextAt };
  const { tenant, id: schedule } = before;
  workspace.append({ type: "schedule:retimed", tenant, schedule, at: workspace.now, data });
  if (moved.cursor.nextAt !== undefined) workspace.tick(moved.cursor.nextAt);
}

async function nextTickOf({ access }: Steps): Promise<Millis | undefined> {
  const reply = (await access.client.run(dueScript, [access.testNow(), 0, ""])) as readonly string[];
  return reply[1] === "" || reply[1] === undefined ? undefined : Number(reply[1]);
}

function nameTenant(names: Names, tenant: TenantId): void {
  names.tenants.add(tenant);
  names.unfinishedOf.set(tenant, 1);
}

/** Names the unfinished jobs that the overlap policies look at; `allow` looks at none, and may have many. */
function nameUnfinished(names: Names, found: readonly Schedule[], { overlap }: FireRequest): void {
  for (const { definition, incarnation } of found) {
    if ((overlap ?? definition.overlap) !== "allow") names.incarnations.add(incarnation);
  }
}

/**
 * Fires what `find` gives. The request decides once for each reading: what its steps touch is then read, all at once, and
 * the run that follows is given the same steps.
 */
function deciding(request: FireRequest, find: (workspace: Workspace, reading: Reading) => readonly Schedule[]) {
  let steps: readonly FireStep[] | undefined;
  let madeOf: Reading | undefined;
  return (workspace: Workspace, reading: Reading): FireResult[] => {
    const found = find(workspace, reading);
    if (madeOf !== reading) {
      steps = undefined;
      madeOf = reading;
      for (const { definition, incarnation } of found) {
        if ((request.overlap ?? definition.overlap) !== "allow") continue;
        // Nobody looks at its other jobs, of which there may be very many.
        reading.loaded.unfinished.set(incarnation, []);
        reading.loaded.partly.add(incarnation);
      }
      const wanted = new Names();
      nameUnfinished(wanted, found, request);
      if ([...wanted.incarnations].some((incarnation) => !reading.loaded.unfinished.has(incarnation))) {
        throw new Missing((names) => nameUnfinished(names, found, request));
      }
    }
    return fireSchedules(workspace, found, {
      ...request,
      decide: (due, now) => {
        if (steps !== undefined) return steps;
        const made = request.decide(due, now);
        steps = made;
        throw new Missing((names) => nameTouched(names, made));
      },
    });
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
