// The audit log in memory: the contract's EventStore over the world.
import { purgedEventsEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { EventPurge, EventStore, PurgeAnswer } from "../core/engine.ts";
import { type EventFilter, type EventPage, eventListing, eventMatches, type StoredEvent } from "../core/events.ts";
import { decodePosition, encodePosition, type Page } from "../core/page.ts";
import { firstBeyond } from "./event-search.ts";
import type { Run } from "./run.ts";
import type { World } from "./world.ts";

export function eventStore(run: Run): EventStore {
  return {
    append: (events) =>
      run((world) => {
        for (const event of events) world.append(event);
      }),
    list: (filter, page) => run((world) => list(world, filter, page)),
    purge: (request) => run((world, now) => purge(world, request, now)),
  };
}

function list(world: World, filter: EventFilter, { limit, cursor, order = "newest" }: EventPage): Page<StoredEvent> {
  const [position] = cursor === undefined ? [] : decodePosition(cursor, eventListing(order), 1);
  const { events } = world;
  const found: StoredEvent[] = [];
  // One more than is asked for tells whether there is another page.
  if (order === "newest") {
    let index = (position === undefined ? events.length : firstBeyond(events, position - 1)) - 1;
    for (; index >= 0 && found.length <= limit; index--) addMatching(found, events[index], filter);
  } else {
    let index = firstBeyond(events, Math.max(position ?? 0, filter.afterId ?? 0));
    for (; index < events.length && found.length <= limit; index++) addMatching(found, events[index], filter);
  }
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items };
  return { items, next: encodePosition(eventListing(order), [last.id]) };
}

function addMatching(found: StoredEvent[], event: StoredEvent | undefined, filter: EventFilter): void {
  if (event !== undefined && eventMatches(event, filter)) found.push(event);
}

function purge(world: World, { named, olderThanMs, limit }: EventPurge, now: Millis): PurgeAnswer {
  const before = named?.before ?? now - (olderThanMs ?? world.retention.eventAgeMsMax);
  let deleted = 0;
  let more = false;
  const kept = world.events.filter((event) => {
    const isDoomed = event.at < before;
    if (!isDoomed || deleted === limit) {
      more ||= isDoomed;
      return true;
    }
    deleted++;
    return false;
  });
  if (deleted > 0) world.keepEvents(kept);
  if (named !== undefined && deleted > 0) world.append(purgedEventsEvent(before, deleted, now, named.actor));
  return { deleted, more };
}
