// Events as entries of the stream and back: whole events as JSON, beside the names that their indexes go by.
import type { NewEvent, StoredEvent } from "../../core/events.ts";
import type { History } from "../../core/history.ts";
import { has, isNumber, isText, maybe } from "../../core/shape.ts";
import type { Reply } from "./client.ts";

/** What the prelude's `append` takes of one event. */
export type EventParts = readonly [json: string, tenant: string, schedule: string, job: string, fired: "1" | ""];

/** What stands for no event. */
export const noEvent: EventParts = ["", "", "", "", ""];

/** What a script is to append: nothing where no log is kept. */
export function eventParts(events: readonly NewEvent[], { eventAgeMsMax }: History): EventParts[] {
  if (eventAgeMsMax === 0) return [];
  return events.map((event) => {
    const { type, tenant, schedule = "", job = "" } = event;
    return [JSON.stringify(event), tenant, schedule, job, type === "tick:fired" ? "1" : ""];
  });
}

/** An entry as XRANGE answers it. */
export type Entry = readonly [id: string, fields: readonly string[]];

export function entriesOf(reply: Reply | undefined): readonly Entry[] {
  return (reply ?? []) as unknown as readonly Entry[];
}

/** The id of an entry's event. */
export function eventId([id]: Entry): number {
  return Number.parseInt(id, 10);
}

const looksLikeEvent = has({
  type: isText,
  tenant: isText,
  at: isNumber,
  job: maybe(isText),
  schedule: maybe(isText),
  queue: maybe(isText),
  actor: maybe(isText),
  data: maybe(has({})),
});

/** The event of an entry; undefined for one that a foreign hand has left, which must stop no listing. */
export function readEvent(entry: Entry): StoredEvent | undefined {
  try {
    const value: unknown = JSON.parse(entry[1][1] ?? "");
    return looksLikeEvent(value) ? { ...(value as NewEvent), id: eventId(entry) } : undefined;
  } catch {
    return undefined;
  }
}
