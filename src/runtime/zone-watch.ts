// The janitor's look for schedules whose next tick other time zone data has placed (S13): bounded batches, one replica
// for each version of the data, marked in the store.
import { defaults } from "../core/defaults.ts";
import type { Engine, FireResult, StoredRecord } from "../core/engine.ts";
import type { NewEvent } from "../core/events.ts";
import { needsRetiming, retimingWith } from "../core/retiming.ts";
import type { ScheduleRef } from "../core/schedule.ts";
import type { Decide } from "../core/step.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";

/** Marks of versions of the time zone data that have looked at the store begin so; the version comes after. */
export const zoneMarkPrefix = "zone-data/";

const marksMax = 50;

/** What a mark says. */
interface Mark {
  /** When this version was first here. */
  readonly since: number;
  /** When it last looked at every schedule; absent while it does. */
  readonly lookedAt?: number;
}

export interface ZoneWatchOptions {
  readonly engine: Pick<Engine, "schedules" | "records" | "now">;
  readonly clock: RuntimeClock;
  readonly emitter: Emitter<SchedulerEvents>;
  /** The version of this process's time zone data, such as 2026c, where it is known. */
  readonly zoneData: string | undefined;
}

interface Looking {
  readonly mark: StoredRecord;
  readonly since: number;
  readonly cursor?: string;
}

/**
 * Looks at every schedule when a version of the data comes to a store, and daily while it is new or others are there
 * too. A store that knows one version only is not looked at again: it costs a read an hour, however many schedules.
 */
export class ZoneWatch {
  readonly #options: ZoneWatchOptions;
  readonly #key: string;
  #readAt = Number.NEGATIVE_INFINITY;
  /** While this process looks: the mark, and how far it has come. */
  #looking: Looking | undefined;

  constructor(options: ZoneWatchOptions) {
    this.#options = options;
    this.#key = `${zoneMarkPrefix}${options.zoneData ?? "unknown"}`;
  }

  /** One batch, if it is time; answers whether there is more to look at now. */
  async step(): Promise<boolean> {
    const looking = this.#looking ?? (await this.#begin());
    // Until the batch is through: what fails meanwhile is looked at anew by whoever comes next.
    this.#looking = undefined;
    if (looking === undefined) return false;
    const { mark, since, cursor } = looking;
    const { engine, zoneData } = this.#options;
    const page = await engine.schedules.list(
      { enabled: true },
      { limit: defaults.zoneCheckLimit, ...(cursor === undefined ? {} : { cursor }) },
    );
    await this.#retime(page.items.filter((schedule) => needsRetiming(schedule, zoneData)));
    if (page.next === undefined) {
      await this.#put({ since, lookedAt: await engine.now() }, mark.revision, defaults.zoneMarkMs);
      return false;
    }
    const kept = await this.#put({ since }, mark.revision, defaults.zoneLookMs);
    if (kept !== undefined) this.#looking = { mark: kept, since, cursor: page.next };
    return kept !== undefined;
  }

  /** Takes the mark of this version when there is something to look at and nobody else does. */
  async #begin(): Promise<Looking | undefined> {
    const { engine, clock } = this.#options;
    if (clock.monotonic() - this.#readAt < defaults.zoneReadMs) return undefined;
    const { items } = await engine.records.list(zoneMarkPrefix, { limit: marksMax });
    const now = await engine.now();
    this.#readAt = clock.monotonic();
    const own = items.find(({ key }) => key === this.#key);
    const { since, lookedAt } = own === undefined ? { since: now, lookedAt: 0 } : readMark(own.value);
    if (lookedAt === undefined || now - lookedAt < defaults.zoneCheckMs) return undefined;
    const expected = own?.revision ?? "absent";
    if (own !== undefined && items.length === 1 && now - since > defaults.zoneSettlesMs) {
      await this.#put({ since, lookedAt: now }, expected, defaults.zoneMarkMs);
      return undefined;
    }
    const mark = await this.#put({ since }, expected, defaults.zoneLookMs);
    return mark === undefined ? undefined : { mark, since };
  }

  async #put(mark: Mark, expected: "absent" | number, ttlMs: number): Promise<StoredRecord | undefined> {
    const { records } = this.#options.engine;
    const [answer] = await records.put([{ key: this.#key, value: JSON.stringify(mark), expected, ttlMs }]);
    return answer === undefined || answer === "conflict" ? undefined : answer;
  }

  async #retime(only: readonly ScheduleRef[]): Promise<void> {
    if (only.length === 0) return;
    const { engine, emitter, zoneData } = this.#options;
    const noted = noting(retimingWith(zoneData));
    const { fired } = await engine.schedules.fire({ limit: only.length, only, decide: noted.decide });
    announceRetimed(emitter, noted.events, fired);
    for (const result of fired) announceSkipped(emitter, result);
  }
}

/** What a mark holds; one that cannot be read says that it was never looked. */
function readMark(value: string): Mark {
  try {
    const { since, lookedAt } = JSON.parse(value) as Partial<Mark>;
    if (typeof since === "number") return { since, ...(typeof lookedAt === "number" ? { lookedAt } : {}) };
  } catch {
    // Another hand wrote it: it is written anew.
  }
  return { since: 0, lookedAt: 0 };
}

/** A decision whose events of retimed schedules are kept: an answer of `fire` does not tell them. */
export function noting(decide: Decide): { readonly decide: Decide; readonly events: NewEvent[] } {
  const events: NewEvent[] = [];
  return {
    events,
    decide: (due, now) => {
      const steps = decide(due, now);
      // A store may ask again: only the last answer counts.
      const told = steps.flatMap((step) => step.events.filter(({ type }) => type === "schedule:retimed"));
      events.splice(0, events.length, ...told);
      return steps;
    },
  };
}

/** Tells this process's listeners which ticks of a schedule will not fire. */
export function announceSkipped(emitter: Emitter<SchedulerEvents>, { id, tenant, skipped }: FireResult): void {
  for (const { from, to, ...run } of skipped) {
    emitter.emit("tick:skipped", { id, tenant, ...run, from: new Date(from), to: new Date(to) });
  }
}

/** Tells this process's listeners which schedules were retimed, of those whose step was applied. */
export function announceRetimed(
  emitter: Emitter<SchedulerEvents>,
  events: readonly NewEvent[],
  applied: readonly FireResult[],
): void {
  for (const { tenant, schedule: id, data } of events) {
    if (id === undefined || !applied.some((one) => one.id === id && one.tenant === tenant)) continue;
    const at = (name: "before" | "after") => {
      const value = data?.[name];
      return typeof value === "number" ? { [name]: new Date(value) } : {};
    };
    emitter.emit("schedule:retimed", { id, tenant, ...at("before"), ...at("after") });
  }
}
