// Jobs in their order of insertion, for listings: a page is found without looking at all of them.
import type { JobId } from "../core/id.ts";

interface Place {
  readonly seq: number;
  readonly id: JobId;
}

/** Entries below which stale ones are not worth looking for. */
const pruneAtLeast = 1_000;

export class InsertionOrder {
  #places: Place[] = [];
  #isSorted = true;
  #pruneAt = pruneAtLeast;
  readonly #isThere: (place: Place) => boolean;

  /** @param isThere tells jobs that are gone, or have another place by now */
  constructor(isThere: (place: Place) => boolean) {
    this.#isThere = isThere;
  }

  /** A job that is new, or has come back to its place. */
  add(seq: number, id: JobId): void {
    const last = this.#places.at(-1);
    if (last !== undefined && last.seq >= seq) {
      // It was saved again, and its place is the last all the same.
      if (last.seq === seq && last.id === id) return;
      this.#isSorted = false;
    }
    this.#places.push({ seq, id });
  }

  /** Forgets stale entries when there are many. Not while a job whose place was added is still to be stored: it would be one. */
  tidy(): void {
    if (this.#places.length >= this.#pruneAt) this.#prune();
  }

  /** Ids beyond a place, each once; from the last one backwards where `newest`. */
  *beyond(seq: number | undefined, newest: boolean): Generator<JobId> {
    if (!this.#isSorted) this.#prune();
    const places = this.#places;
    const step = newest ? -1 : 1;
    for (let at = this.#from(seq, newest); at >= 0 && at < places.length; at += step) {
      const place = places[at];
      if (place !== undefined && this.#isThere(place)) yield place.id;
    }
  }

  #from(seq: number | undefined, newest: boolean): number {
    if (seq === undefined) return newest ? this.#places.length - 1 : 0;
    let [low, high] = [0, this.#places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const there = this.#places[middle]?.seq ?? 0;
      if (newest ? there < seq : there <= seq) low = middle + 1;
      else high = middle;
    }
    return newest ? low - 1 : low;
  }

  #prune(): void {
    const places = this.#places.filter(this.#isThere);
    if (!this.#isSorted) places.sort((a, b) => a.seq - b.seq);
    this.#places = places.filter((place, at) => place.seq !== places[at - 1]?.seq);
    this.#isSorted = true;
    this.#pruneAt = Math.max(pruneAtLeast, 2 * this.#places.length);
  }
}
