// What it takes to carry one kind of thing out of a SQLite store and into one.
import { StoreCorruptError } from "../../core/errors.ts";
import type { ItemOf, TransferKind, TransferName } from "../../core/transfer.ts";
import type { Tx } from "./tx.ts";

export interface KindTransfer<Kind extends TransferKind> {
  /** The items beyond a name, in order. */
  read(tx: Tx, after: TransferName | undefined, limit: number): ItemOf<Kind>[];
  /** Stores an item over what there is of its name. */
  write(tx: Tx, item: ItemOf<Kind>): void;
  remove(tx: Tx, name: TransferName): void;
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
