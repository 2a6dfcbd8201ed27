// What is left of a round of chaos: the store, read whole, and the journals; and the form of an account of it.
import type { Scheduler, ScheduleView, Stats } from "punctual";
import type { Engine } from "../../../src/core/engine.ts";
import type { StoredEvent } from "../../../src/core/events.ts";
import type { Job } from "../../../src/core/job.ts";
import { allPages } from "../all-pages.ts";
import type { Effect } from "./effects.ts";

/** Counts by name, and what falls short. */
export interface Account {
  readonly counts: Readonly<Record<string, number>>;
  readonly shortcomings: readonly string[];
}

/** All that is kept of a round. */
export interface Remains {
  readonly effects: readonly Effect[];
  readonly jobs: readonly Job[];
  readonly events: readonly StoredEvent[];
  readonly schedules: readonly ScheduleView[];
  readonly stats: Stats;
  /** Whether the log has every transition of every job. */
  readonly auditsAll: boolean;
  /** Acknowledged writes of some time before this instant may be gone, as if they had never been made; ms since 1970. */
  readonly lostAt?: number | undefined;
  /** Then ticks may have fired again. */
  readonly forgets: boolean;
}

/** Reads what the store has, whole. */
export async function readRemains(
  engine: Engine<never>,
  scheduler: Scheduler<never>,
  about: Pick<Remains, "effects" | "auditsAll" | "lostAt" | "forgets">,
): Promise<Remains> {
  return {
    ...about,
    jobs: await allPages((page) => engine.jobs.list({}, page)),
    events: await allPages((page) => engine.events.list({}, page)),
    schedules: await allPages((page) => scheduler.schedules.list(page)),
    stats: await scheduler.stats(),
  };
}

/** At most five of them by name. */
export function named(what: string, items: readonly string[]): string[] {
  const shown = items.slice(0, 5).map((item) => `${what}: ${item}`);
  return items.length > 5 ? [...shown, `${what}: and ${items.length - 5} more`] : shown;
}

/** Two counts that must be equal. */
export function unequal(what: string, one: number, other: number): string[] {
  return one === other ? [] : [`${what}: ${one} and ${other}`];
}
