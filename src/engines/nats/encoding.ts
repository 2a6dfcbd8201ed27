// A change set as messages and back: JSON, in as many parts as the server's largest message asks for, each with headers
// that name the set, its place in it, and the message that it follows.
import { StoreCorruptError } from "../../core/errors.ts";
import type { ChangeSet } from "../../world/change-set.ts";
import { type Format, formatText, readFormat } from "./format.ts";

/** `<writer>.<number> <part> <parts>` */
export const setHeader = "Punctual-Set";
/** `<sequence> <set>` of the message that ends the set before; `0 -` before the first. */
const afterHeader = "Punctual-After";
const formatHeader = "Punctual-Format";

/** What the headers of a message say. */
export interface PartName {
  /** The change set, by its writer and that writer's number for it. */
  readonly id: string;
  readonly part: number;
  readonly parts: number;
  readonly after: Place;
  readonly format: Format;
}

/** Where a journal ends: the sequence of its last message, and the change set that this belongs to. */
export interface Place {
  readonly seq: number;
  readonly id: string;
}

/** Before the first message. */
export const beginning: Place = { seq: 0, id: "-" };

/** Names and values for the client's own headers. */
export function headersOf({ id, part, parts, after, format }: PartName): readonly (readonly [string, string])[] {
  return [
    [setHeader, `${id} ${part} ${parts}`],
    [afterHeader, `${after.seq} ${after.id}`],
    [formatHeader, formatText(format)],
  ];
}

/** @throws StoreCorruptError, StoreTooNewError */
export function readHeaders(header: (name: string) => string): PartName {
  const format = readFormat(header(formatHeader));
  const [, id, part, parts] = /^(\S+) (\d+) (\d+)$/.exec(header(setHeader)) ?? [];
  const [, seq, before] = /^(\d+) (\S+)$/.exec(header(afterHeader)) ?? [];
  if (id === undefined || before === undefined) throw foreign();
  return { id, part: Number(part), parts: Number(parts), after: { seq: Number(seq), id: before }, format };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The parts of a change set, none of more bytes than asked. */
export function encode(set: ChangeSet, bytesMax: number): Uint8Array[] {
  const all = encoder.encode(JSON.stringify(set));
  const parts: Uint8Array[] = [];
  for (let from = 0; from < all.length; from += bytesMax) parts.push(all.subarray(from, from + bytesMax));
  return parts;
}

/** @throws StoreCorruptError */
export function decode(parts: readonly Uint8Array[]): ChangeSet {
  const [only] = parts;
  try {
    const bytes = parts.length === 1 && only !== undefined ? only : joined(parts);
    return JSON.parse(decoder.decode(bytes)) as ChangeSet;
  } catch (cause) {
    throw foreign(cause);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function foreign(cause?: unknown): StoreCorruptError {
  return new StoreCorruptError("the journal holds a message that cannot be read", {
    mend: "Something else writes to its subject, or a message is damaged: look at it, or restore a backup of the stream.",
    cause,
  });
}
