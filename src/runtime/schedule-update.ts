// Changing a stored schedule: read, changed, and saved only if it is still as it was read.
import { RevisionConflictError } from "../core/errors.ts";
import { sameDefinition } from "../core/saving.ts";
import type { Schedule, SchedulePut, ScheduleRef } from "../core/schedule.ts";
import type { ClientHost } from "./client-host.ts";
import { conflictTries, notFound } from "./schedule-operations.ts";
import { announcePut, sendPuts } from "./schedule-put.ts";

/** What the schedule must be, as the caller has read it. */
export interface ExpectedSchedule {
  readonly revision?: number | undefined;
  readonly incarnation?: string | undefined;
}

/**
 * Changes a schedule, anew on what others have made of it meanwhile unless a revision is expected. A schedule that was
 * removed and created again between two tries is another one.
 * @throws NotFoundError, RevisionConflictError
 */
export async function updateSchedule(
  host: ClientHost,
  ref: ScheduleRef,
  expected: ExpectedSchedule,
  change: (stored: Schedule) => Promise<Partial<SchedulePut>>,
): Promise<Schedule> {
  const { schedules } = await host.engine();
  let tried: { readonly put: SchedulePut; readonly before: Schedule } | undefined;
  for (let tries = 0; tries < conflictTries; tries++) {
    const stored = await schedules.get(ref);
    if (stored === undefined) throw notFound(ref);
    // J15: the conflict may be with our own change, whose answer was lost.
    if (tried !== undefined && isDone(stored, tried.put)) {
      return announcePut(host, tried.put, { outcome: "updated", schedule: stored }, tried.before.enabled).schedule;
    }
    checkExpected(ref, expected, stored);
    const { definition, incarnation, revision } = stored;
    const put = { ...ref, incarnation, definition, ...(await change(stored)), expected: revision, of: incarnation };
    const [answer] = await sendPuts(host, [put]);
    if (answer?.outcome === "absent") throw notFound(ref);
    if (answer?.outcome !== "conflict") return announcePut(host, put, answer, stored.enabled).schedule;
    tried = { put, before: stored };
  }
  throw new RevisionConflictError(`schedule ${ref.id} kept changing while it was updated`, { field: "revision" });
}

function isDone(stored: Schedule, { definition, enabled, expected, of }: SchedulePut): boolean {
  return (
    stored.incarnation === of &&
    stored.revision === Number(expected) + 1 &&
    (enabled ?? stored.enabled) === stored.enabled &&
    sameDefinition(stored.definition, definition)
  );
}

function checkExpected({ id }: ScheduleRef, { revision, incarnation }: ExpectedSchedule, stored: Schedule): void {
  if (incarnation !== undefined && incarnation !== stored.incarnation) {
    throw new RevisionConflictError(`schedule ${id} was removed and created again`, {
      field: "incarnation",
      details: { given: incarnation, stored: stored.incarnation },
    });
  }
  if (revision !== undefined && revision !== stored.revision) {
    throw new RevisionConflictError(`schedule ${id} is at revision ${stored.revision}, not ${revision}`, {
      field: "revision",
      details: { given: revision, stored: stored.revision },
    });
  }
}
