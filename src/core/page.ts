// Paging of listings: newest first, by an opaque cursor.

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
  throw new InvalidInputError(`cursor is not one that this listing gave out, got ${shown(cursor)}`, {
    field: "cursor",
  });
}
