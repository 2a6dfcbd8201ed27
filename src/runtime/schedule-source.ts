// A schedule source: schedules that live in the user's own table. Here: how it is told, and which ids are its own.
import { defaults } from "../core/defaults.ts";
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import { checkId } from "../core/tenant.ts";
import type { ScheduleOptions } from "./schedule-options.ts";

/** What a feed says of a record: it changed, or it is gone. Members that are not named here are ignored. */
export interface SourceChange<Row = unknown> {
  /** The record's id, as `idOf` says it. */
  readonly id: string | number;
  /** The record as it is now; without it `loadOne` is asked, or everything is loaded within a second. */
  readonly record?: Row | undefined;
  /** It is gone. */
  readonly removed?: boolean | undefined;
  /**
   * Of which tenant, where ids are unique in a tenant only; saves looking through all of them. A record that moved to
   * another tenant leaves the old one within a second where none is named, else with the next load.
   */
  readonly tenant?: string | undefined;
}

/** Several of something, at once or one by one. */
type Several<T> = Iterable<T> | AsyncIterable<T>;

/** What a source's calls are given: the signal aborts when the scheduler stops. */
export interface SourceContext {
  readonly signal: AbortSignal;
}

/** Options of `scheduleSource`. */
export interface ScheduleSourceOptions<Row> {
  /** Names the source in errors and, as `source:<name>`, in the audit log. */
  readonly name: string;
  /** All records, active or not. One that throws, also midway, removes nothing. */
  load(context: SourceContext): Several<Row> | Promise<Several<Row>>;
  /** One record, or undefined when it is gone: for changes that name no record. */
  loadOne?(id: string, context: SourceContext): Row | undefined | null | Promise<Row | undefined | null>;
  /**
   * Says which records changed. Opened again when it ends or throws; what it loses is healed by the next load. An error
   * among the changes is reported, and everything is loaded within a second.
   */
  changes?(context: SourceContext): Several<SourceChange<Row> | Error> | Promise<Several<SourceChange<Row> | Error>>;
  /** The schedule of a record; undefined for one that is not active. */
  toSchedule(record: Row): ScheduleOptions | undefined;
  /** A record's id, steady for as long as it lives: its member `id` by default. */
  idOf?(record: Row): string | number;
  /** What the ids of its schedules begin with, and no others: `<name>/` by default. */
  readonly idPrefix?: string;
  /** How often everything is loaded and compared; 1 minute by default, give or take a tenth. */
  readonly reconcileEvery?: Duration;
  /**
   * A load without any record, while schedules are stored: `confirm` (default) removes them when the next load is empty
   * too, `remove` at once, `keep` never.
   */
  readonly whenEmpty?: "confirm" | "remove" | "keep";
}

/** A source, checked; made by `scheduleSource`. */
export interface ScheduleSource
  extends Omit<ScheduleSourceOptions<unknown>, "idPrefix" | "reconcileEvery" | "whenEmpty" | "idOf"> {
  readonly idPrefix: string;
  readonly reconcileMs: number;
  readonly whenEmpty: "confirm" | "remove" | "keep";
  idOf(record: unknown): string | number;
}

/**
 * Schedules kept in the user's own table: loaded, followed by a feed of changes, and reconciled periodically.
 * Hand it to `createScheduler({ sources: [...] })`; the ticker role runs it.
 * @throws InvalidInputError naming the option at fault
 */
export function scheduleSource<Row>(options: ScheduleSourceOptions<Row>): ScheduleSource {
  refuseUnknown(options, optionNames, "");
  const { name, idPrefix = `${checkId(name, "name")}/`, whenEmpty = "confirm", idOf = idMember } = options;
  for (const required of ["load", "toSchedule"] as const) checkFunction(options[required], required);
  for (const optional of ["loadOne", "changes"] as const) {
    if (options[optional] !== undefined) checkFunction(options[optional], optional);
  }
  checkFunction(idOf, "idOf");
  if (!["confirm", "remove", "keep"].includes(whenEmpty)) {
    throw new InvalidInputError(`whenEmpty must be confirm, remove, keep, got ${shown(whenEmpty)}`, {
      field: "whenEmpty",
    });
  }
  const { reconcileEvery = defaults.sourceReconcileMs, ...rest } = options;
  return Object.freeze({
    ...rest,
    idPrefix: checkId(idPrefix, "idPrefix"),
    idOf,
    whenEmpty,
    reconcileMs: parseDuration(reconcileEvery, "reconcileEvery", { minMs: 1_000 }),
  });
}

const optionNames: readonly (keyof ScheduleSourceOptions<unknown>)[] = [
  "name",
  "load",
  "loadOne",
  "changes",
  "toSchedule",
  "idOf",
  "idPrefix",
  "reconcileEvery",
  "whenEmpty",
];

/**
 * Sources that one scheduler may run: made by `scheduleSource`, and no schedule belongs to two of them.
 * @throws InvalidInputError
 */
export function checkSources(sources: unknown): readonly ScheduleSource[] {
  if (!Array.isArray(sources)) {
    throw new InvalidInputError(`sources must be an array, got ${shown(sources)}`, { field: "sources" });
  }
  const checked: ScheduleSource[] = [];
  for (const [index, source] of (sources as readonly unknown[]).entries()) {
    const field = `sources[${index}]`;
    if (!isSource(source)) {
      throw new InvalidInputError(`${field} must come from scheduleSource({ ... }), got ${shown(source)}`, { field });
    }
    const { idPrefix } = source;
    const rival = checked.find((other) => idPrefix.startsWith(other.idPrefix) || other.idPrefix.startsWith(idPrefix));
    if (rival !== undefined) {
      const message = `${field} and the source ${rival.name} both own ids that begin with ${longer(idPrefix, rival.idPrefix)}`;
      throw new InvalidInputError(message, {
        field,
        mend: "Give each an idPrefix that does not begin with another's.",
      });
    }
    checked.push(source);
  }
  return checked;
}

function isSource(value: unknown): value is ScheduleSource {
  return typeof value === "object" && value !== null && "reconcileMs" in value && "toSchedule" in value;
}

function longer(a: string, b: string): string {
  return a.length > b.length ? a : b;
}

function checkFunction(value: unknown, field: string): void {
  if (typeof value === "function") return;
  throw new InvalidInputError(`${field} must be a function, got ${shown(value)}`, { field });
}

/** The member `id` of a record; what has none is answered as nothing, and refused by who asked. */
function idMember(record: unknown): string | number {
  const held = typeof record === "object" && record !== null && "id" in record ? record.id : undefined;
  return held as string | number;
}
