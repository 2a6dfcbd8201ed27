// What a message about a changed record says, by default: our own shape, or the events of redis-distro-scheduler.
import { shown } from "../../core/duration.ts";
import { InvalidInputError } from "../../core/errors.ts";

/** What a message says of a record: what a schedule source's feed of changes yields. */
export interface AnnouncedChange<Row = unknown> {
  /** The record's id, as the source's `idOf` says it. */
  readonly id: string | number;
  /** The record as it is now, as JSON has it; without it the source's `loadOne` is asked, or everything is loaded. */
  readonly record?: Row | undefined;
  /** It is gone. */
  readonly removed?: boolean | undefined;
  /** Of which tenant, where ids are unique in a tenant only. */
  readonly tenant?: string | undefined;
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads `{ id, record?, removed?, tenant? }`, `{ type: "created" | "updated", schedule: { id, ... } }` and
 * `{ type: "deleted", scheduleId }`; other members are ignored.
 * @throws InvalidInputError for anything else
 */
export function readChange(text: string): AnnouncedChange {
  const said = parseJson(text);
  if (!isObject(said)) throw unreadable("it is no JSON object");
  if (said["id"] !== undefined) return ownChange(said, said["id"]);
  const { type, schedule, scheduleId } = said;
  if (type === "deleted") return { id: checkedId(scheduleId ?? idOf(schedule)), removed: true };
  if (type === "created" || type === "updated") return { id: checkedId(idOf(schedule)), record: schedule };
  throw unreadable("it names no id");
}

function ownChange({ record, removed, tenant }: Members, id: unknown): AnnouncedChange {
  if (removed !== undefined && typeof removed !== "boolean") {
    throw unreadable(`its member removed must be true or false, got ${shown(removed)}`);
  }
  if (tenant !== undefined && typeof tenant !== "string") {
    throw unreadable(`its member tenant must be a text, got ${shown(tenant)}`);
  }
  return { id: checkedId(id), record: record ?? undefined, removed, tenant };
}

function checkedId(id: unknown): string | number {
  if ((typeof id === "string" && id !== "") || typeof id === "number") return id;
  throw unreadable("it names no id");
}

function idOf(record: unknown): unknown {
  return isObject(record) ? record["id"] : undefined;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The parser's own complaint quotes the text, which may be private. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable("it is no JSON");
  }
}

function unreadable(why: string): InvalidInputError {
  return new InvalidInputError(why, {
    field: "message",
    mend: 'Publish {"id": 7}, {"id": 7, "record": { ... }} or {"id": 7, "removed": true}, or give redisChanges a parse that reads it.',
  });
}
