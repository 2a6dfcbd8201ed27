// Finding events by their ids.
import type { StoredEvent } from "../core/events.ts";

/** Where the events with a greater id begin: they are in the order of their ids. */
export function firstBeyond(events: readonly StoredEvent[], id: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.id ?? 0) > id) high = middle;
    else low = middle + 1;
  }
  return low;
}
