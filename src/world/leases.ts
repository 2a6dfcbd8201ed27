// The leases of a queue, those that end first at the top.
import type { Stored } from "./lane.ts";
import type { World } from "./world.ts";

export function firstLease(world: World, queue: string): Stored | undefined {
  const heap = world.leases.get(queue);
  for (let top = heap?.peek(); top !== undefined; top = heap?.peek()) {
    if (world.isLive(top)) return top;
    heap?.pop();
  }
  return undefined;
}

/** All leases of a queue, in no order. */
export function leasesOf(world: World, queue: string): Stored[] {
  return world.leases.get(queue)?.live() ?? [];
}
