// Listings: static statements whose filters may be absent, and pages read in steps that do not hold up the event loop.
import { setImmediate } from "node:timers/promises";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
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

/** What is listed by a number that grows with each row. */
export interface Newest<Row> {
  /** Answers the number so many rows below another one; absent where the rows are few. */
  readonly stepStatement?: string | undefined;
  /** The matching rows with `from <= number < before`, newest first. */
  read(connection: Connection, span: readonly [before: number, from: number], limit: number): readonly Row[];
  numberOf(row: Row): number;
}

/** One page of rows, newest first. */
export async function readNewest<Row>(
  steps: Steps,
  page: { readonly limit: number; readonly cursor?: string },
  { stepStatement, read, numberOf }: Newest<Row>,
): Promise<{ readonly rows: readonly Row[]; readonly next?: string }> {
  let before = page.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(decodeCursor(page.cursor, 1)[0]);
  const rows: Row[] = [];
  for (;;) {
    const from = await steps.read(({ connection }) => {
      const step =
        stepStatement === undefined
          ? undefined
          : connection.tuples<readonly [number]>(stepStatement, before, stepRowsMax);
      const lowest = step?.[0]?.[0];
      rows.push(...read(connection, [before, lowest ?? 0], page.limit + 1 - rows.length));
      return lowest;
    });
    if (from === undefined || rows.length > page.limit) break;
    before = from;
    await setImmediate();
  }
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { rows: shown };
  return { rows: shown, next: encodeCursor([numberOf(last)]) };
}
