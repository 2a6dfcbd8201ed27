// Names in their order, for listings: sorted when they are asked for, and only if one has come since.

export class NameOrder {
  #names: string[] = [];
  readonly #added = new Set<string>();
  readonly #isThere: (name: string) => boolean;

  /** @param isThere tells names that are gone */
  constructor(isThere: (name: string) => boolean) {
    this.#isThere = isThere;
  }

  add(name: string): void {
    this.#added.add(name);
  }

  /** Names beyond one, each once. */
  *beyond(after: string): Generator<string> {
    if (this.#added.size > 0) this.#sort();
    const names = this.#names;
    let [low, high] = [0, names.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((names[middle] ?? "") > after) high = middle;
      else low = middle + 1;
    }
    for (let at = low; at < names.length; at++) {
      const name = names[at];
      if (name !== undefined && this.#isThere(name)) yield name;
    }
  }

  #sort(): void {
    const all = new Set(this.#names.filter(this.#isThere));
    for (const name of this.#added) if (this.#isThere(name)) all.add(name);
    this.#added.clear();
    // As `<` compares.
    this.#names = [...all].sort();
  }
}
