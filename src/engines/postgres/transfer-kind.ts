// What it takes to carry one kind of thing out of a PostgreSQL store and into one.
import type { Millis } from "../../core/clock.ts";
import { StoreCorruptError } from "../../core/errors.ts";
import type { ItemOf, TransferKind, TransferName } from "../../core/transfer.ts";
import type { Session } from "./connections.ts";
import type { Step } from "./steps.ts";

/** Which items are to be read. */
export interface ReadRequest {
  readonly after: TransferName | undefined;
  /** Items at most. */
  readonly limit: number;
  /** Tells what has expired. */
  readonly now: Millis;
}

export interface KindTransfer<Kind extends TransferKind> {
  /** The items beyond a name, in order. */
  read(session: Session, request: ReadRequest): Promise<ItemOf<Kind>[]>;
  /** Stores items over what there is of their names, as if one after another. */
  write(step: Step, items: readonly ItemOf<Kind>[]): Promise<void>;
  remove(step: Step, names: readonly TransferName[]): Promise<void>;
}

/** @throws StoreCorruptError naming the row that cannot be read */
export function readable<Item>(what: string, read: () => Item): Item {
  try {
    return read();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new StoreCorruptError(`${what} cannot be read: ${message}`, {
      mend: "`punctual doctor` names every damaged row; mend or delete them, or restore a backup.",
      cause: error,
    });
  }
}

/** The two parts of a name after which a kind is read on. */
export function beyond(after: TransferName | undefined): [string, string] {
  return [String(after?.[0] ?? ""), String(after?.[1] ?? "")];
}

/** The number after which a kind is read on. */
export function beyondNumber(after: TransferName | undefined): number {
  return Number(after?.[0] ?? -1);
}

/** Of rows with the same name the last one: it is what stays when they are written one after another. */
export function lastOfEach<Row>(rows: readonly Row[], nameOf: (row: Row) => TransferName): Row[] {
  return [...new Map(rows.map((row) => [JSON.stringify(nameOf(row)), row])).values()];
}

/** Rows of one statement, as characters of JSON: a page of large jobs must not become one message. */
const listCharsMax = 4_000_000;

/** Runs a statement that takes a list, for as much of it at a time as a message may hold; not for an empty one. */
export async function runWith(session: Session, text: string, rows: readonly unknown[]): Promise<void> {
  let part: string[] = [];
  let chars = 0;
  const send = async () => {
    if (part.length > 0) await session.run(text, [`[${part.join(",")}]`]);
    part = [];
    chars = 0;
  };
  for (const row of rows) {
    const json = JSON.stringify(row);
    if (chars + json.length > listCharsMax) await send();
    part.push(json);
    chars += json.length;
  }
  await send();
}

/** Names of two parts as rows of `first` and `second`. */
export function pairs(names: readonly TransferName[]): { readonly first: string; readonly second: string }[] {
  return names.map((name) => ({ first: String(name[0] ?? ""), second: String(name[1] ?? "") }));
}

/** The rows of `pairs`, for statements. */
export const pairRecords = "json_to_recordset($1::json) AS named (first text, second text)";
