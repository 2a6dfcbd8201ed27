// The audit log in memory: the contract's EventStore over the world.
import type { EventStore } from "../../core/engine.ts";
import { eventMatches } from "../../core/events.ts";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
import type { World } from "./world.ts";

export function eventStore(world: World): EventStore {
  return {
    append: async (events) =>
      world.step(() => {
        for (const event of events) world.append(event);
      }),
    list: async (filter, page) => {
      const before = page.cursor === undefined ? Number.POSITIVE_INFINITY : Number(decodeCursor(page.cursor, 1)[0]);
      const found = world.events.filter((event) => event.id < before && eventMatches(event, filter)).reverse();
      const items = found.slice(0, page.limit);
      const last = items.at(-1);
      return { items, ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last.id]) } : {}) };
    },
    purge: async ({ olderThanMs, limit }) =>
      world.step((now) => {
        const doomed = new Set(world.events.filter((event) => event.at < now - olderThanMs).slice(0, limit));
        world.events = world.events.filter((event) => !doomed.has(event));
        return { deleted: doomed.size, more: world.events.some((event) => event.at < now - olderThanMs) };
      }),
  };
}
