// Listings: static statements whose filters may be absent, and pages read in steps that do not hold up the event loop.
import { setImmediate } from "node:timers/promises";
import { decodePosition, encodePosition, type Order } from "../../core/page.ts";
import type { Connection } from "./database.ts";
import type { Steps } from "./tx.ts";

/** Rows that one step of a listing looks at: a rare match in a long table must not hold up the event loop. */
const stepRowsMax = 20_000;

/** The head of a statement that binds one value, or NULL, for each name. */
export function filterOf(names: readonly string[]): string {
  return `WITH filter (${names.join(", ")}) AS (VALUES (${names.map(() => "?").join(", ")}))`;
}

/** A filter's value inside a statement. */
export function filterValue(name: string): string {
  return `(SELECT ${name} FROM filter)`;
}

/** A condition that counts only when the filter's value is not NULL. */
export function whenGiven(name: string, condition: (value: string) => string): string {
  return `(${filterValue(name)} IS NULL OR ${condition(filterValue(name))})`;
}

/** The same statement in both orders; `write` is told what to sort and to compare by. */
export function inBothOrders(write: (direction: "ASC" | "DESC") => string): Readonly<Record<Order, string>> {
  return { newest: write("DESC"), oldest: write("ASC") };
}

/** Which rows a step looks at: those with numbers between the two, without them. */
export type Span = readonly [above: number, below: number];

/** What is listed by a number that grows with each row. */
export interface Numbered<Row> {
  readonly order: Order;
  /** Names the listing in its cursors; by default the order alone does. */
  readonly name?: string;
  /** No row with this number or a smaller one is listed. */
  readonly above?: number | undefined;
  /** The number so many rows further into the span, or nothing when fewer are left. */
  findStep(connection: Connection, span: Span, rows: number): number | undefined;
  /** The matching rows of a span, in order. */
  read(connection: Connection, span: Span, limit: number): readonly Row[];
  numberOf(row: Row): number;
}

/** A page as it was asked for. */
export interface PageAsked {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** One page of rows, from either end. */
export async function readPage<Row>(
  steps: Steps,
  page: PageAsked,
  { order, name = order, above = -1, findStep, read, numberOf }: Numbered<Row>,
): Promise<{ readonly rows: readonly Row[]; readonly next?: string }> {
  const [position] = page.cursor === undefined ? [] : decodePosition(page.cursor, name, 1);
  let span: Span =
    order === "newest"
      ? [above, position ?? Number.MAX_SAFE_INTEGER]
      : [Math.max(above, position ?? above), Number.MAX_SAFE_INTEGER];
  const rows: Row[] = [];
  for (;;) {
    const step = await steps.read(({ connection }) => {
      const found = findStep(connection, span, stepRowsMax);
      const part = found === undefined ? span : partOf(span, found, order);
      rows.push(...read(connection, part, page.limit + 1 - rows.length));
      return found;
    });
    if (step === undefined || rows.length > page.limit) break;
    span = restOf(span, step, order);
    await setImmediate();
  }
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { rows: shown };
  return { rows: shown, next: encodePosition(name, [numberOf(last)]) };
}

/** The part of a span up to a step, and with it. */
function partOf([above, below]: Span, step: number, order: Order): Span {
  return order === "newest" ? [step - 1, below] : [above, step + 1];
}

function restOf([above, below]: Span, step: number, order: Order): Span {
  return order === "newest" ? [above, step] : [step, below];
}
