// The audit log in memory: the contract's EventStore over the world.
import { purgedEventsEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { EventPurge, EventStore, PurgeAnswer } from "../../core/engine.ts";
import { type EventFilter, type EventPage, eventListing, eventMatches, type StoredEvent } from "../../core/events.ts";
import { decodePosition, encodePosition, type Page } from "../../core/page.ts";
import type { World } from "./world.ts";

export function eventStore(world: World): EventStore {
  return {
    append: async (events) =>
      world.step(() => {
        for (const event of events) world.append(event);
      }),
    list: async (filter, page) => list(world, filter, page),
    purge: async (request) => world.step((now) => purge(world, request, now)),
  };
}

function list(world: World, filter: EventFilter, { limit, cursor, order = "newest" }: EventPage): Page<StoredEvent> {
  const [position] = cursor === undefined ? [] : decodePosition(cursor, eventListing(order), 1);
  const isBeyond = (id: number) => position === undefined || (order === "newest" ? id < position : id > position);
  const found = world.events.filter((event) => isBeyond(event.id) && eventMatches(event, filter));
  if (order === "newest") found.reverse();
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items };
  return { items, next: encodePosition(eventListing(order), [last.id]) };
}

function purge(world: World, { named, olderThanMs, limit }: EventPurge, now: Millis): PurgeAnswer {
  const before = named?.before ?? now - (olderThanMs ?? world.retention.eventAgeMsMax);
  const doomed = new Set(world.events.filter((event) => event.at < before).slice(0, limit));
  world.events = world.events.filter((event) => !doomed.has(event));
  const more = world.events.some((event) => event.at < before);
  if (named !== undefined && doomed.size > 0) {
    world.append(purgedEventsEvent(before, doomed.size, now, named.actor));
  }
  return { deleted: doomed.size, more };
}
