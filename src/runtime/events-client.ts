// `scheduler.events`: the audit log, read in pages, followed, and purged.
import { defaults } from "../core/defaults.ts";
import { shown } from "../core/duration.ts";
import type { EventPurge } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import { type EventFilter, type EventType, eventTypes } from "../core/events.ts";
import { checkJobId } from "../core/id.ts";
import { checkInstant } from "../core/instant.ts";
import { refuseUnknown } from "../core/options.ts";
import { checkPage, namedCursor, type Order, ownCursor, type Page, type PageRequest } from "../core/page.ts";
import { boundTenant, type ClientHost, checkName } from "./client-host.ts";
import { followEvents } from "./event-tail.ts";
import { type EventView, viewEvent } from "./event-view.ts";
import { purgeAll } from "./purge-all.ts";

/** A type of event, or all that begin so: "schedule:*". */
export type EventTypeQuery = EventType | `${string}*`;

/** Which events are shown. */
export interface EventSelection {
  readonly tenant?: string;
  readonly type?: EventTypeQuery | readonly EventTypeQuery[];
  readonly job?: string;
  readonly schedule?: string;
  readonly queue?: string;
  readonly actor?: string;
  /** From this instant on, and with it. */
  readonly since?: Date | string;
}

/** A page of events. */
export interface EventQuery extends EventSelection, PageRequest {
  /** Before this instant, and without it. */
  readonly until?: Date | string;
  /** Beyond this event's id: what came after it. */
  readonly after?: number;
  /** "newest" first by default. */
  readonly order?: Order;
}

/** What to follow, and from where. */
export interface EventTail extends EventSelection {
  /** The id of the last event seen: the tail begins with the next one. Without it or `since`: with what comes from now on. */
  readonly after?: number;
  /** Ends the tail. */
  readonly signal?: AbortSignal;
}

/** Names this listing in its cursors. */
const listing = "events";

const selection = ["tenant", "type", "job", "schedule", "queue", "actor", "since"] as const;

export class EventsClient {
  readonly #host: ClientHost;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** Events, newest first unless `order` says otherwise. A tenant handle sees its own only. */
  async list(query: EventQuery = {}): Promise<Page<EventView>> {
    refuseUnknown(query, [...selection, "until", "after", "order", "limit", "cursor"], "");
    const filter = { ...this.#filter(query), afterId: checkAfter(query.after) };
    const order = checkOrder(query.order);
    const before = query.until === undefined ? undefined : checkInstant(query.until, "until");
    const { limit, cursor } = checkPage(query);
    const page = { limit, order, ...(cursor === undefined ? {} : { cursor: ownCursor(listing, cursor) }) };
    const { events } = await this.#host.engine();
    const { items, next } = await events.list({ ...filter, before }, page);
    return { items: items.map(viewEvent), ...(next === undefined ? {} : { next: namedCursor(listing, next) }) };
  }

  /**
   * Follows the log, oldest first and without a gap, until its signal aborts or the scheduler stops; a store that is
   * away is waited for. Begins with the first `next()`. Transitions of jobs are there with `audit: "all"` only.
   */
  tail(options: EventTail = {}): AsyncGenerator<EventView, void, undefined> {
    refuseUnknown(options, [...selection, "after", "signal"], "");
    const filter = this.#filter(options);
    const { signal, since } = options;
    const after = checkAfter(options.after);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new InvalidInputError(`signal must be an AbortSignal, got ${shown(signal)}`, { field: "signal" });
    }
    return followEvents(this.#host, filter, { after: after ?? (since === undefined ? undefined : 0), signal });
  }

  /** Deletes the events before an instant, of every tenant, in bounded batches; answers how many. The log keeps who did. */
  async purge(options: { readonly before: Date | string; readonly actor?: string }): Promise<number> {
    refuseUnknown(options, ["before", "actor"], "");
    if (this.#host.tenant !== undefined) {
      throw new InvalidInputError("the log belongs to the whole deployment: a tenant handle cannot purge it", {
        field: "tenant",
      });
    }
    const named: EventPurge["named"] = { before: checkInstant(options.before, "before"), actor: options.actor };
    const { events } = await this.#host.engine();
    return await purgeAll(this.#host.clock, () => events.purge({ named, limit: defaults.purgeLimit }));
  }

  #filter(query: EventSelection): EventFilter {
    const types = query.type === undefined ? undefined : [query.type].flat().flatMap(checkType);
    return {
      tenant: boundTenant(this.#host.tenant, query.tenant),
      types: types && [...new Set(types)],
      job: query.job === undefined ? undefined : checkJobId(query.job, "job"),
      schedule: checkName(query.schedule, "schedule"),
      queue: checkName(query.queue, "queue"),
      actor: checkName(query.actor, "actor"),
      from: query.since === undefined ? undefined : checkInstant(query.since, "since"),
    };
  }
}

/** The types that are meant. @throws InvalidInputError when there is none */
function checkType(value: unknown): readonly EventType[] {
  const asked = String(value);
  const found = eventTypes.filter((type) =>
    asked.endsWith("*") ? type.startsWith(asked.slice(0, -1)) : type === asked,
  );
  if (found.length > 0) return found;
  throw new InvalidInputError(
    `type must be of ${eventTypes.join(", ")}, or a beginning such as "schedule:*", got ${shown(value)}`,
    { field: "type" },
  );
}

function checkAfter(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 0)) return value;
  throw new InvalidInputError(`after must be the id of an event, got ${shown(value)}`, { field: "after" });
}

/** @throws InvalidInputError */
export function checkOrder(value: unknown): Order {
  if (value === undefined) return "newest";
  if (value === "newest" || value === "oldest") return value;
  throw new InvalidInputError(`order must be "newest" or "oldest", got ${shown(value)}`, { field: "order" });
}
