// Whether what a store holds is a schedule: a restore, a foreign hand or another version may have left anything there,
// and one bad row must stop nobody else (S8). Its rule is looked at when it is evaluated.
import type { Schedule, ScheduleRef } from "./schedule.ts";
import { has, isFlag, isNumber, isText, maybe } from "./shape.ts";

const looksLikeSchedule = has({
  tenant: isText,
  id: isText,
  incarnation: isText,
  revision: isNumber,
  enabled: isFlag,
  disabledReason: maybe(isText),
  ruleSetAt: isNumber,
  ticksFired: isNumber,
  missed: isNumber,
  lastTick: maybe(isNumber),
  lastFiredAt: maybe(isNumber),
  lastCompletedAt: maybe(isNumber),
  failuresInRow: isNumber,
  createdAt: isNumber,
  updatedAt: isNumber,
  cursor: has({ after: isNumber, nextAt: maybe(isNumber), zoneRules: isText, wall: maybe(isNumber) }),
  held: maybe(
    has({
      tick: isNumber,
      dueAt: isNumber,
      missed: isNumber,
      operation: maybe(isText),
      backfill: maybe(isFlag),
      priority: maybe(isNumber),
      actor: maybe(isText),
    }),
  ),
  definition: has({
    rule: has({}),
    task: isText,
    queue: isText,
    input: isText,
    priority: isNumber,
    attemptsMax: maybe(isNumber),
    jitterMs: isNumber,
    overlap: isText,
    catchUp: has({ policy: isText, windowMs: maybe(isNumber), limit: isNumber }),
    startAt: maybe(isNumber),
    endAt: maybe(isNumber),
    maxTicks: maybe(isNumber),
    pauseOnFailure: maybe(isNumber),
    name: maybe(isText),
    metadata: maybe(isText),
  }),
});

/** Whether a stored value is the schedule of that name, whole enough to be worked with. */
export function isStoredSchedule(value: unknown, { tenant, id }: ScheduleRef): value is Schedule {
  return looksLikeSchedule(value) && (value as Schedule).tenant === tenant && (value as Schedule).id === id;
}
