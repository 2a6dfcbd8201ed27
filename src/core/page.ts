// Paging of listings by an opaque cursor: the position after a page's last row, so that rows which come or go meanwhile
// neither repeat nor hide others.
import { defaults } from "./defaults.ts";
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

/** Which page of a listing. */
export interface PageRequest {
  /** Rows at most, 1 to 1,000; 50 by default. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly cursor?: string;
}

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; absent on the last page. */
  readonly next?: string;
}

/** From which end a listing is read. */
export type Order = "newest" | "oldest";

/** @throws InvalidInputError when the limit is out of bounds. */
export function checkPage(page: PageRequest | undefined): { readonly limit: number; readonly cursor?: string } {
  const limit = page?.limit ?? defaults.pageLimit;
  if (!Number.isInteger(limit) || limit < 1 || limit > defaults.pageLimitMax) {
    throw new InvalidInputError(`limit must be 1 to ${defaults.pageLimitMax}, got ${shown(limit)}`, { field: "limit" });
  }
  return page?.cursor === undefined ? { limit } : { limit, cursor: page.cursor };
}

/** Packs the position after a page's last row; readers must not look inside. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return encodeURIComponent(JSON.stringify(position));
}

/** @throws InvalidInputError when the text is no cursor of this listing. */
export function decodeCursor(cursor: string, length: number): readonly (string | number)[] {
  try {
    const position: unknown = JSON.parse(decodeURIComponent(cursor));
    if (Array.isArray(position) && position.length === length) {
      if (position.every((part) => typeof part === "string" || typeof part === "number")) return position;
    }
  } catch {
    // Falls through: whatever it was, it is no cursor.
  }
  throw notOurs(cursor);
}

/** The position after a row of a listing in some order; another order's cursor is refused, not misread. */
export function encodePosition(order: string, numbers: readonly number[]): string {
  return encodeCursor([order, ...numbers]);
}

/** @throws InvalidInputError when the text is no cursor of a listing in this order. */
export function decodePosition(cursor: string, order: string, length: number): readonly number[] {
  const [name, ...numbers] = decodeCursor(cursor, length + 1);
  if (name !== order || !numbers.every(Number.isFinite)) throw notOurs(cursor);
  return numbers.map(Number);
}

/** A store's cursor as one listing gives it out; another listing over the same rows refuses it. */
export function namedCursor(listing: string, next: string): string {
  return `${listing}.${next}`;
}

/** The store's cursor again. @throws InvalidInputError when another listing gave it out */
export function ownCursor(listing: string, cursor: string): string {
  const start = `${listing}.`;
  if (typeof cursor !== "string" || !cursor.startsWith(start)) throw notOurs(cursor);
  return cursor.slice(start.length);
}

function notOurs(cursor: string): InvalidInputError {
  return new InvalidInputError(`cursor is not one that this listing gave out, got ${shown(cursor)}`, {
    field: "cursor",
  });
}
