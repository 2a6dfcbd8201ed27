// A replica whose time zone data differs from this process's: the same store, other zones wherever it computes ticks.

import { getZone, withZones, Zone } from "../../src/core/cron/zone.ts";
import type { Engine, ScheduleStore } from "../../src/core/engine.ts";
import { needsRetiming } from "../../src/core/retiming.ts";
import { zoneRulesOf } from "../../src/core/zone-rules.ts";

/** A zone that keeps one offset from an instant on, as after a law against clock changes. */
export function keepingOffset(id: string, from: number, offsetMs: number): Zone {
  const real = getZone(id);
  return new Zone(id, (instant) => (instant < from ? real.offsetAt(instant) : offsetMs));
}

/** The engine as a replica with those zones and that version of the data uses it. */
export function withRules(engine: Engine, zones: readonly Zone[], zoneData: string): Engine {
  const inner = engine.schedules;
  const schedules: ScheduleStore = {
    ...inner,
    put: (puts, guardrails) => withZones(zones, () => inner.put(puts, guardrails)),
    get: (ref) => inner.get(ref),
    remove: (removals) => inner.remove(removals),
    fire: (request) =>
      inner.fire({ ...request, decide: (due, now) => withZones(zones, () => request.decide(due, now)) }),
    // The janitor compares what is stored with its rules outside of the store: here it meets what they would say.
    list: async (filter, page) => {
      const found = await inner.list(filter, page);
      const items = found.items.map((schedule) => {
        const differs = withZones(zones, () => needsRetiming(schedule, zoneData));
        const zoneRules = differs ? "2000a:0" : zoneRulesOf(schedule.definition.rule, zoneData);
        return { ...schedule, cursor: { ...schedule.cursor, zoneRules } };
      });
      return { ...found, items };
    },
  };
  return { ...engine, schedules };
}
