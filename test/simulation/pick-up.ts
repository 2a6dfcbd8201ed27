// J4 and J1 as time goes on: what is due, or has lost its lease, is taken while some worker is well and has a free slot.
import { isFinished } from "../../src/core/job.ts";
import type { SimulatedProcess } from "./process.ts";
import type { World } from "./world.ts";

/** How often it is looked at, in virtual ms. */
const everyMs = 500;
/** A well worker with a free slot takes what is due within this, and the share of a lease that quarantine may cost. */
const pickUpMs = 3_000;

/** Looks again and again until the world ends. */
export function watchPickUp(world: World, processes: () => Iterable<SimulatedProcess>): void {
  const boundMs = pickUpMs + world.leaseMs / 3;
  world.timeline.in(everyMs, () => {
    for (const process of processes()) {
      if (!hasBeenFree(process, boundMs)) continue;
      checkNothingWaits(world, world.timeline.now() - boundMs, process.name);
      break;
    }
    watchPickUp(world, processes);
  });
}

function hasBeenFree(
  { state, roles, wellSince, freeSince, resumedAt, world }: SimulatedProcess,
  boundMs: number,
): boolean {
  if (state !== "running" || !roles.includes("worker")) return false;
  return Math.max(wellSince, freeSince, resumedAt, world.oracle.wentBackAt) + boundMs < world.timeline.now();
}

function checkNothingWaits(world: World, since: number, free: string): void {
  const { jobs, since: changedAt } = world.oracle.picture;
  for (const { id, state, leaseUntil = 0, dueAt, successor } of jobs.values()) {
    if (isFinished(state) || (changedAt.get(id) ?? 0) >= since) continue;
    const name = world.shortOf(id);
    if (state === "active") {
      if (leaseUntil < since) world.broken("J4", `the lease of ${name} has ended, and ${free} does not take it`);
    } else if (dueAt < since && successor !== true) world.broken("J1", `${name} is due, and ${free} does not take it`);
  }
}
