// Schedules by their next tick: one entry for each, however often one is saved between two ticks.
import type { Millis } from "../core/clock.ts";
import { Heap } from "./heap.ts";

interface Entry {
  readonly at: Millis;
  readonly key: string;
}

export class DueSchedules {
  /** The next tick of each schedule that has an entry; an entry that says another is stale. */
  readonly #next = new Map<string, Millis>();
  readonly #entries = new Heap<Entry>(
    (a, b) => a.at - b.at,
    ({ at, key }) => this.#next.get(key) === at,
  );

  /** Says when a schedule is due next; undefined for never. */
  set(key: string, at: Millis | undefined): void {
    if (at === undefined) this.#next.delete(key);
    else if (this.#next.get(key) !== at) {
      this.#next.set(key, at);
      this.#entries.push({ at, key });
    }
  }

  /** The earliest next tick. */
  get nextAt(): Millis | undefined {
    for (let top = this.#entries.peek(); top !== undefined; top = this.#entries.peek()) {
      if (this.#next.get(top.key) === top.at) return top.at;
      this.#entries.pop();
    }
    return undefined;
  }

  /** Takes out the schedule that is due first, if it is due by now. It comes back when it is set again. */
  take(now: Millis): string | undefined {
    const at = this.nextAt;
    if (at === undefined || at > now) return undefined;
    const key = this.#entries.pop()?.key;
    if (key !== undefined) this.#next.delete(key);
    return key;
  }
}
