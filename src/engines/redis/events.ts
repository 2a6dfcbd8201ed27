// The audit log in Redis: the contract's EventStore. Events are written by the scripts that do what they record, one after
// another, so ids are seen in their order.
import type { EventStore } from "../../core/engine.ts";
import { type EventFilter, type EventPage, eventListing, eventMatches, type StoredEvent } from "../../core/events.ts";
import { decodePosition, encodePosition, type Order, type Page } from "../../core/page.ts";
import { purgeEvents } from "./event-purge.ts";
import { type Entry, entriesOf, eventId, eventParts, readEvent } from "./event-rows.ts";
import { appendEvents, listEvents } from "./scripts/events.ts";
import type { Access } from "./store.ts";

/** Events that one round trip of a filtered listing looks at. */
const chunk = 500;

export function eventStore(access: Access): EventStore {
  const { client, history } = access;
  return {
    append: async (events) => {
      const parts = eventParts(events, history);
      if (parts.length > 0) await client.run(appendEvents, [access.testNow(), history.eventAgeMsMax, ...parts.flat()]);
    },
    list: (filter, page) => list(access, filter, page),
    purge: (request) => purgeEvents(access, request),
  };
}

async function list(access: Access, filter: EventFilter, page: EventPage): Promise<Page<StoredEvent>> {
  const { order = "newest", limit, cursor } = page;
  const name = eventListing(order);
  const [position] = cursor === undefined ? [] : decodePosition(cursor, name, 1);
  let span: Span | undefined = spanOf(filter.afterId, position, order);
  const way = wayTo(filter);
  const found: StoredEvent[] = [];
  while (span !== undefined && found.length <= limit) {
    const count = way.covers ? limit + 1 - found.length : chunk;
    const { entries, reached } = await read(access, way.index, span, order, count);
    for (const entry of entries) {
      const event = readEvent(entry);
      if (event !== undefined && eventMatches(event, filter)) found.push(event);
    }
    span = reached === undefined ? undefined : beyond(span, reached, order);
  }
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items };
  return { items, next: encodePosition(name, [last.id]) };
}

/** The least and the greatest id that are looked at. */
type Span = readonly [least: number, greatest: number];

const idMax = Number.MAX_SAFE_INTEGER;

function spanOf(afterId = 0, position: number | undefined, order: Order): Span | undefined {
  const after = order === "oldest" ? Math.max(afterId, position ?? 0) : afterId;
  const before = order === "newest" ? (position ?? idMax) : idMax;
  return between(Math.max(0, Math.floor(after)) + 1, Math.min(Math.ceil(before) - 1, idMax));
}

function beyond([least, greatest]: Span, reached: number, order: Order): Span | undefined {
  return order === "newest" ? between(least, reached - 1) : between(reached + 1, greatest);
}

function between(least: number, greatest: number): Span | undefined {
  return least <= greatest ? [least, greatest] : undefined;
}

/** The index that names the fewest events; `covers`: all that it names pass the filter. */
function wayTo({ afterId: _, ...filter }: EventFilter): { readonly index?: string; readonly covers: boolean } {
  const { tenant, job, schedule } = filter;
  const named = Object.values(filter).filter((value) => value !== undefined).length;
  if (job !== undefined) return { index: `e:j${job}`, covers: named === 1 };
  if (tenant === undefined) return { covers: named === 0 };
  if (schedule !== undefined) return { index: `e:s${tenant}\n${schedule}`, covers: named === 2 };
  return { index: `e:t${tenant}`, covers: named === 1 };
}

interface Part {
  readonly entries: readonly Entry[];
  /** The last id that was looked at; undefined at the end of the span. */
  readonly reached: number | undefined;
}

async function read(
  access: Access,
  index: string | undefined,
  [least, greatest]: Span,
  order: Order,
  count: number,
): Promise<Part> {
  if (index === undefined) {
    const command = order === "newest" ? "XREVRANGE" : "XRANGE";
    const ends = order === "newest" ? [greatest, least] : [least, greatest];
    const entries = entriesOf((await access.client.read([[command, "events", ...ends, "COUNT", count]]))[0]);
    const last = entries.at(-1);
    return { entries, reached: entries.length < count || last === undefined ? undefined : eventId(last) };
  }
  const answer = await access.client.run(listEvents, [access.testNow(), index, least, greatest, order, count]);
  const [reached, entries] = answer as unknown as readonly [string | null, readonly Entry[]];
  return { entries, reached: reached === null ? undefined : Number(reached) };
}
