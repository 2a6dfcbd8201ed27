// Which message of the journal each row's whole value is in: what must be written anew before old messages can go.
import type { RowName } from "../../world/change-set.ts";

/** A message that rows were written whole in. */
interface Base {
  readonly seq: number;
  readonly bytesPerRow: number;
}

export class Bases {
  /** In the order of their messages. */
  readonly #rows = new Map<RowName, Base>();
  /** Bytes of the messages that are there, and about how many of them are of rows that count. */
  #bytes = 0;
  #live = 0;
  /** The first so many messages are marked to go; bytes are those of the others. */
  #marked = 0;
  readonly #messages: { readonly seq: number; readonly bytes: number }[] = [];

  /** A message with so many bytes has been written. */
  wrote(seq: number, bytes: number, rows: Iterable<readonly [RowName, "whole" | "changed" | "gone"]>): void {
    const all = [...rows];
    const base = { seq, bytesPerRow: bytes / Math.max(1, all.length) };
    for (const [name, what] of all) {
      // A change of a row keeps the message that it is whole in from being of no use any more.
      if (what === "changed") continue;
      const before = this.#rows.get(name);
      if (before !== undefined) {
        this.#live -= before.bytesPerRow;
        this.#rows.delete(name);
      }
      if (what === "gone") continue;
      this.#rows.set(name, base);
      this.#live += base.bytesPerRow;
    }
    this.#bytes += bytes;
    this.#messages.push({ seq, bytes });
  }

  /** Messages up to one will go, and count no more. @returns whether there were any that counted */
  mark(through: number): boolean {
    const before = this.#marked;
    for (; this.#marked < this.#messages.length; this.#marked++) {
      const message = this.#messages[this.#marked];
      if (message === undefined || message.seq > through) break;
      this.#bytes -= message.bytes;
    }
    return this.#marked > before;
  }

  /** Messages that were marked, up to one, are gone. */
  purged(through: number): void {
    let count = 0;
    while (count < this.#marked && (this.#messages[count]?.seq ?? Number.POSITIVE_INFINITY) <= through) count++;
    this.#messages.splice(0, count);
    this.#marked -= count;
  }

  /** Bytes of the journal but for what is marked, and about how many of them it needs. */
  get size(): { readonly bytes: number; readonly live: number } {
    return { bytes: this.#bytes, live: this.#live };
  }

  /** The rows whose messages are the oldest. */
  oldest(count: number): RowName[] {
    const names: RowName[] = [];
    for (const name of this.#rows.keys()) {
      if (names.length === count) break;
      names.push(name);
    }
    return names;
  }

  /** Every row is whole in a message after this one. */
  get needlessThrough(): number {
    for (const { seq } of this.#rows.values()) return seq - 1;
    return Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#rows.clear();
    this.#messages.length = 0;
    this.#marked = 0;
    this.#bytes = 0;
    this.#live = 0;
  }
}
