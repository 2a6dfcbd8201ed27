// Names of a hash in the order of a transfer, for the kinds whose names the store keeps in no order of its own.
import { compareNames, type TransferName } from "../../core/transfer.ts";
import type { Access } from "./store.ts";

/** Names, gathered at the first page of a kind and kept until the last: a page must not cost a look at all of them. */
export class SortedNames {
  readonly #access: Access;
  readonly #key: string;
  #names: readonly TransferName[] | undefined;
  /** Who goes on from here reads the same list. */
  #last: string | undefined;

  /** @param key a hash whose fields are of two parts with a newline between them */
  constructor(access: Access, key: string) {
    this.#access = access;
    this.#key = key;
  }

  /** The next names beyond one, or the first; fewer than asked for at the end. */
  async beyond(after: TransferName | undefined, limit: number): Promise<readonly TransferName[]> {
    const goesOn = after !== undefined && fieldOf(after) === this.#last;
    const names = goesOn && this.#names !== undefined ? this.#names : await this.#gather();
    const from = after === undefined ? 0 : firstBeyond(names, after);
    const found = names.slice(from, from + limit);
    const last = found.at(-1);
    this.#last = last && fieldOf(last);
    this.#names = from + limit >= names.length ? undefined : names;
    return found;
  }

  async #gather(): Promise<readonly TransferName[]> {
    const found = new Set<string>();
    let cursor = "0";
    do {
      const [answer] = await this.#access.client.read([["HSCAN", this.#key, cursor, "COUNT", 1_000]]);
      const [next, pairs] = answer as readonly [string, readonly string[]];
      for (let at = 0; at < pairs.length; at += 2) found.add(pairs[at] ?? "");
      cursor = next;
    } while (cursor !== "0");
    return [...found].map(partsOf).sort(compareNames);
  }
}

function partsOf(name: string): TransferName {
  const end = name.indexOf("\n");
  return [name.slice(0, Math.max(0, end)), name.slice(end + 1)];
}

/** The field of a name. */
export function fieldOf([first = "", second = ""]: TransferName): string {
  return `${first}\n${second}`;
}

function firstBeyond(names: readonly TransferName[], after: TransferName): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (compareNames(names[middle] ?? [], after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
