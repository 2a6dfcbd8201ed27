// A binary heap: the least item first.

/** Entries below which stale ones are not worth looking for. */
const pruneAtLeast = 256;

export class Heap<T> {
  #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;
  readonly #isLive: (item: T) => boolean;
  #pruneAt = pruneAtLeast;

  /** @param isLive tells entries that have been overtaken; they go when the heap has doubled, or come to its top */
  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare;
    this.#isLive = isLive;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  /** All live items, in no order. */
  live(): T[] {
    return this.#items.filter(this.#isLive);
  }

  /** How many live items something holds for; where it does not hold for an item, it holds for none that come after. */
  count(holds: (item: T) => boolean): number {
    let count = 0;
    const open = [0];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const item = this.#items[at];
      if (item === undefined || !holds(item)) continue;
      if (this.#isLive(item)) count++;
      open.push(2 * at + 1, 2 * at + 2);
    }
    return count;
  }

  push(item: T): void {
    if (this.#items.length >= this.#pruneAt) this.#prune();
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = items[up] as T;
      if (this.#compare(item, above) >= 0) break;
      items[at] = above;
      at = up;
    }
    items[at] = item;
  }

  #prune(): void {
    // A sorted list is a heap.
    this.#items = this.#items.filter(this.#isLive).sort(this.#compare);
    this.#pruneAt = Math.max(pruneAtLeast, 2 * this.#items.length);
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && this.#compare(items[down + 1] as T, items[down] as T) < 0) down++;
      const below = items[down] as T;
      if (this.#compare(last, below) <= 0) break;
      items[at] = below;
      at = down;
    }
    items[at] = last;
    return top;
  }
}
