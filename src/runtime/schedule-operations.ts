// What operators ask of one schedule, by fires that name it: a trigger, and the steps of a backfill.
import type { FireResult } from "../core/engine.ts";
import { hasCode, NotFoundError, OutcomeUnknownError, RevisionConflictError } from "../core/errors.ts";
import { mintToken } from "../core/id.ts";
import { decideTrigger } from "../core/operations.ts";
import type { OverlapPolicy, ScheduleRef } from "../core/schedule.ts";
import type { Decide } from "../core/step.ts";
import { type ClientHost, repeatUnknown } from "./client-host.ts";
import { announceFired } from "./ticker.ts";

/** What a trigger did: `held` waits for the unfinished job, `skipped` found one. */
export type Triggered =
  | { readonly outcome: "fired"; readonly job: string; readonly dueAt: Date }
  | { readonly outcome: "held" | "skipped" };

/** How often a change that lost a race is made again before the caller is told. */
export const conflictTries = 20;

/** Makes a job of a schedule now. @throws NotFoundError, LimitExceededError */
export async function triggerSchedule(
  host: ClientHost,
  ref: ScheduleRef,
  { tick, actor }: { readonly tick: number | undefined; readonly actor: string | undefined },
): Promise<Triggered> {
  const result = await fireOnce(host, ref, decideTrigger(mintToken(host.entropy()), tick, actor));
  announceFired(host.emitter, result, host.now());
  const fired = result.ticks[0];
  if (fired !== undefined) return { outcome: "fired", job: fired.job, dueAt: new Date(fired.dueAt) };
  return { outcome: result.held === undefined ? "skipped" : "held" };
}

/**
 * One step of an operator's, decided upon one schedule. It is made again while its outcome is unknown, and decided anew
 * when the schedule fired at this very moment.
 * @param overlap the policy that the decision looks with, when it is not the schedule's own
 * @throws NotFoundError, LimitExceededError, OutcomeUnknownError; RevisionConflictError when the decision makes no step,
 * or loses every race
 */
export async function fireOnce(
  host: ClientHost,
  ref: ScheduleRef,
  decide: Decide,
  overlap?: OverlapPolicy,
): Promise<FireResult> {
  const { schedules } = await host.engine();
  for (let tries = 0; tries < conflictTries; tries++) {
    let found = false;
    let decided = false;
    const { fired } = await surely(host, ref, () =>
      schedules.fire({
        limit: 1,
        only: [ref],
        guardrails: host.guardrails,
        overlap,
        decide: (due, now) => {
          found = due.length > 0;
          const steps = decide(due, now);
          decided = steps.length > 0;
          return steps;
        },
      }),
    );
    const [result] = fired;
    if (result !== undefined) return result;
    if (!found) throw notFound(ref);
    if (!decided) break;
  }
  throw new RevisionConflictError(`schedule ${ref.id} changed meanwhile`, { field: "id" });
}

/** Makes the call again while its outcome is unknown. Another call by the user is another operation. */
async function surely<T>(host: ClientHost, { id }: ScheduleRef, call: () => Promise<T>): Promise<T> {
  try {
    return await repeatUnknown(host, [id], call);
  } catch (error) {
    if (!hasCode(error, "OUTCOME_UNKNOWN")) throw error;
    const mend =
      "See in schedules.history whether it was done before you ask again: another call makes jobs of its own.";
    throw new OutcomeUnknownError(error.message, { details: { ids: [id] }, mend, cause: error });
  }
}

/** The error of a schedule that is not there. */
export function notFound({ id }: ScheduleRef): NotFoundError {
  return new NotFoundError(`there is no schedule ${id}`, { field: "id" });
}
