// A whole store as values that any engine can read and write: what `punctual copy` carries from one to another (O6).
// Items come in a fixed order, so that two stores can be compared side by side without holding either in memory.
import type { Millis } from "./clock.ts";
import type { StoredEvent } from "./events.ts";
import { hash128 } from "./hash.ts";
import type { JobId } from "./id.ts";
import type { Job } from "./job.ts";
import { canonicalJson } from "./payload.ts";
import type { LaneCounts, Queue, RateWindow } from "./queue.ts";
import type { Schedule } from "./schedule.ts";
import type { TenantId } from "./tenant.ts";
import type { Tenant } from "./tenant-record.ts";

/**
 * The kinds in the order they are read and written. Lanes follow their jobs, whose arrival moves a lane's place in the
 * fair share; schedules come last, so that nothing fires in a copy that is not whole.
 */
export const transferKinds = [
  "queue",
  "tenant",
  "job",
  "lane",
  "idempotency",
  "record",
  "event",
  "eventSequence",
  "schedule",
] as const;

export type TransferKind = (typeof transferKinds)[number];

/** One thing that a store holds, whole. */
export type TransferItem =
  | { readonly kind: "queue"; readonly queue: Queue; readonly window: RateWindow }
  /** `window`: the claims that its rate has counted. */
  | { readonly kind: "tenant"; readonly tenant: Tenant; readonly window: RateWindow }
  /** `seq`: its place in the order of insertion, which J5 falls back on. */
  | { readonly kind: "job"; readonly seq: number; readonly job: Job }
  /** What of a lane does not follow from its jobs. */
  | {
      readonly kind: "lane";
      readonly queue: string;
      readonly tenant: TenantId;
      readonly totals: LaneCounts["totals"];
      readonly pass: number;
      readonly weight: number;
    }
  | ({ readonly kind: "idempotency"; readonly tenant: TenantId; readonly key: string } & UsedKey)
  | ({ readonly kind: "record" } & TransferRecord)
  | { readonly kind: "event"; readonly event: StoredEvent }
  /** The id of the last event that was ever appended: none is given anew. */
  | { readonly kind: "eventSequence"; readonly lastId: number }
  | { readonly kind: "schedule"; readonly schedule: Schedule };

/** An item of one kind. */
export type ItemOf<Kind extends TransferKind> = Extract<TransferItem, { readonly kind: Kind }>;

/** An idempotencyKey that was used, as long as it is remembered. */
export interface UsedKey {
  readonly body: string;
  readonly job: JobId;
  readonly dueAt: Millis;
  readonly expiresAt: Millis;
}

/** A small record, with its revision. */
export interface TransferRecord {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly expiresAt?: Millis | undefined;
}

/**
 * Names an item inside its kind; items are sorted by it, texts by their code points. A queue's name; a tenant's id; a job's seq; a lane's
 * queue and tenant; an idempotencyKey's tenant and key; a record's key; an event's id; a schedule's tenant and id.
 */
export type TransferName = readonly (string | number)[];

/** An item's place in the whole order. */
export interface TransferPosition {
  readonly kind: TransferKind;
  readonly name: TransferName;
}

/** A part of a store, in order. */
export interface TransferPage {
  readonly items: readonly TransferItem[];
  /** Absent on the last page. */
  readonly next?: string | undefined;
}

/** Which part of a store. */
export interface TransferRequest {
  /** Items at most. */
  readonly limit: number;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

/** What to write into a store: removals first, then items over what there is of the same name. */
export interface TransferWrite {
  readonly items: readonly TransferItem[];
  readonly remove: readonly TransferPosition[];
  /** Only while this record has this value, compared in the same step: a copy that another has taken over writes nothing. */
  readonly guard?: { readonly key: string; readonly value: string } | undefined;
}

/** `lost`: the guard's record was not as it says, and nothing was written. */
export type TransferOutcome = "written" | "lost";

/** Under this key a store says that it is the unfinished copy of another; it is never copied itself. */
export const copyMarkKey = "punctual/copy";

export function positionOf(item: TransferItem): TransferPosition {
  return { kind: item.kind, name: nameOf(item) };
}

function nameOf(item: TransferItem): TransferName {
  switch (item.kind) {
    case "queue":
      return [item.queue.name];
    case "tenant":
      return [item.tenant.id];
    case "job":
      return [item.seq];
    case "lane":
      return [item.queue, item.tenant];
    case "idempotency":
      return [item.tenant, item.key];
    case "record":
      return [item.key];
    case "event":
      return [item.event.id];
    case "eventSequence":
      return [0];
    case "schedule":
      return [item.schedule.tenant, item.schedule.id];
  }
}

/** The order of the whole: kinds, then names. */
export function comparePositions(a: TransferPosition, b: TransferPosition): number {
  if (a.kind !== b.kind) return transferKinds.indexOf(a.kind) - transferKinds.indexOf(b.kind);
  return compareNames(a.name, b.name);
}

/** The order inside a kind. */
export function compareNames(a: TransferName, b: TransferName): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (part === other || other === undefined) continue;
    if (typeof part === "string" && typeof other === "string") return compareTexts(part, other);
    return part < other ? -1 : 1;
  }
  return 0;
}

/** Unequal texts by their code points, as databases compare their bytes; `<` would go by halves of surrogate pairs. */
function compareTexts(a: string, b: string): number {
  let index = 0;
  while (index < a.length && a.charCodeAt(index) === b.charCodeAt(index)) index++;
  return rank(a.charCodeAt(index)) - rank(b.charCodeAt(index)) < 0 ? -1 : 1;
}

/** A half of a surrogate pair comes behind every other unit; the end of a text before all. */
function rank(unit: number): number {
  if (Number.isNaN(unit)) return -1;
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** The text of an item: equal items of any two engines have equal texts. */
export function textOf(item: TransferItem): string {
  return canonicalJson(item);
}

/** Items of each kind. */
export type TransferCounts = Readonly<Record<TransferKind, number>>;

/** Counts by kind and a digest that does not depend on the order: equal contents have equal ones. */
export interface StoreDigest {
  readonly counts: TransferCounts;
  /** 32 hexadecimal digits. */
  readonly digest: string;
}

/** Adds items up to a digest. */
export class Digester {
  readonly #counts: Record<TransferKind, number> = {
    queue: 0,
    tenant: 0,
    job: 0,
    lane: 0,
    idempotency: 0,
    record: 0,
    event: 0,
    eventSequence: 0,
    schedule: 0,
  };
  #sum = [0, 0, 0, 0];

  add(kind: TransferKind, text: string): void {
    this.#counts[kind]++;
    const words = hash128(text);
    this.#sum = this.#sum.map((word, index) => (word + (words[index] ?? 0)) >>> 0);
  }

  get result(): StoreDigest {
    const digest = this.#sum.map((word) => word.toString(16).padStart(8, "0")).join("");
    return { counts: { ...this.#counts }, digest };
  }
}
