// Ticks as a proof adds them up: those that a schedule should have had by its definition alone, against those that the
// audit log says were fired or skipped.
import { nextTicks, type ScheduleView } from "punctual";
import type { StoredEvent } from "../../src/core/events.ts";

/** A tick's name in a proof's figures. */
export function nameOfTick(tenant: string, id: string | undefined, tick: number): string {
  return `${tenant}/${id} ${new Date(tick).toISOString()}`;
}

/** The instant of a `tick:fired` event. */
export function tickOfEvent(event: StoredEvent): number {
  return Number(event.data?.["tick"]);
}

/** Values that occur more than once. */
export function doubled(values: readonly string[]): string[] {
  const seen = new Set<string>();
  return values.filter((value) => seen.size === seen.add(value).size);
}

/** The ticks a schedule should have had, by its definition alone. */
function expectedTicks({ when, createdAt, nextAt, lastTick = createdAt }: ScheduleView): number[] {
  // One that is disabled has no next tick; what it skips is recorded when it is enabled again.
  const until = nextAt?.getTime() ?? lastTick.getTime() + 1;
  const from = createdAt.getTime();
  if (when.kind === "every") {
    const count = Math.max(0, Math.ceil((until - from) / when.everyMs) - 1);
    return Array.from({ length: count }, (_, k) => from + (k + 1) * when.everyMs);
  }
  const ticks = nextTicks(when, { after: createdAt, count: 1_000 }).map((tick) => tick.getTime());
  return ticks.filter((tick) => tick < until);
}

/** Ticks that neither fired, nor were skipped for a reason, nor are held. @param events `tick:fired` and `tick:skipped` */
export function missingTicks(schedule: ScheduleView, events: readonly StoredEvent[]): string[] {
  const own = events.filter(({ tenant, schedule: id }) => tenant === schedule.tenant && id === schedule.id);
  const firedTicks = new Set(own.filter(({ type }) => type === "tick:fired").map(tickOfEvent));
  const runs = own
    .filter(({ type }) => type === "tick:skipped")
    .map(({ data }) => ({ from: Number(data?.["from"]), to: Number(data?.["to"]) }));
  const isAccounted = (tick: number) =>
    firedTicks.has(tick) ||
    schedule.heldTick?.getTime() === tick ||
    runs.some(({ from, to }) => from <= tick && tick <= to);
  const missing = expectedTicks(schedule).filter((tick) => !isAccounted(tick));
  return missing.map((tick) => nameOfTick(schedule.tenant, schedule.id, tick));
}
