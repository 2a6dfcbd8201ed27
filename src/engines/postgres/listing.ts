// Listings: pages read in bounded steps. Each step is one statement of its own, so that no transaction stays open, a rare
// match in a long table holds up nobody, and what moves from one table to another is seen in one of them.
import { decodePosition, encodePosition, type Order } from "../../core/page.ts";

/** Rows that the first step of a listing looks at: most pages end there. */
const firstStepRows = 1_000;

/** Rows that a later step looks at. */
const stepRowsMax = 20_000;

/** The same statement in both orders; `write` is told what to sort by. */
export function inBothOrders(write: (order: Direction) => string): Readonly<Record<Order, string>> {
  return {
    newest: write({ sort: "DESC", furthest: "max", reaches: ">=" }),
    oldest: write({ sort: "ASC", furthest: "min", reaches: "<=" }),
  };
}

/** How a statement says in which direction it goes. */
export interface Direction {
  readonly sort: "ASC" | "DESC";
  /** Of the ends of a step in several tables, the one that is met first. */
  readonly furthest: "min" | "max";
  /** How the rows of a step compare to its end. */
  readonly reaches: ">=" | "<=";
}

/** Which rows a step looks at: those with numbers between the two, without them. */
export type Span = readonly [above: number, below: number];

/** What a step has found. */
export interface Part<Row> {
  /** The last number that was looked at; absent when nothing of the span is left. */
  readonly end: number | undefined;
  /** The matching rows, in order. */
  readonly rows: readonly Row[];
}

/** What is listed by a number that grows with each row. */
export interface Numbered<Row> {
  readonly order: Order;
  /** Names the listing in its cursors; by default the order alone does. */
  readonly name?: string;
  /** No row with this number or a smaller one is listed. */
  readonly above?: number | undefined;
  /** Looks at `rows` rows of a span and answers those that match, `limit` at most. */
  read(span: Span, rows: number, limit: number): Promise<Part<Row>>;
  numberOf(row: Row): number;
}

/** A page as it was asked for. */
export interface PageAsked {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** A part of a cursor as a number that the server takes, whatever someone has written there. */
export function whole(position: number): number {
  return Math.trunc(Math.min(Math.max(position, -1), Number.MAX_SAFE_INTEGER));
}

/** One page of rows, from either end. */
export async function readPage<Row>(
  page: PageAsked,
  { order, name = order, above = -1, read, numberOf }: Numbered<Row>,
): Promise<{ readonly rows: readonly Row[]; readonly next?: string }> {
  const [position] = page.cursor === undefined ? [] : decodePosition(page.cursor, name, 1).map(whole);
  let span: Span =
    order === "newest"
      ? [above, position ?? Number.MAX_SAFE_INTEGER]
      : [Math.max(above, position ?? above), Number.MAX_SAFE_INTEGER];
  const rows: Row[] = [];
  for (let looksAt = firstStepRows; ; looksAt = stepRowsMax) {
    const part = await read(span, looksAt, page.limit + 1 - rows.length);
    rows.push(...part.rows);
    if (part.end === undefined || rows.length > page.limit) break;
    span = order === "newest" ? [span[0], part.end] : [part.end, span[1]];
  }
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { rows: shown };
  return { rows: shown, next: encodePosition(name, [numberOf(last)]) };
}
