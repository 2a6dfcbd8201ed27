// Overlap: what becomes of a tick while a job of the same schedule (same incarnation) is unfinished.
import type { OverlapPolicy, Unfinished } from "./schedule.ts";

/** fire: make its job now · skip: record it · hold: keep it in the schedule until the unfinished job ends. */
export type Gate = "fire" | "skip" | "hold";

/** The gate that every tick, trigger and backfilled tick passes (S5). */
export function overlapGate(policy: OverlapPolicy, unfinished: readonly Unfinished[], holding: boolean): Gate {
  if (policy === "allow") return "fire";
  if (unfinished.length === 0 && !holding) return "fire";
  switch (policy) {
    case "skip":
      return "skip";
    case "queue":
      // One tick waits, the first; those after it find the place taken.
      return holding ? "skip" : "hold";
    case "replace":
      // What has not started makes room at once; what runs is asked to stop, and the newest tick waits for it.
      return unfinished.some((job) => job.state === "active") ? "hold" : "fire";
  }
}
