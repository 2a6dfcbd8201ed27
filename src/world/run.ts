// How a contract call gets at the world: as work that may be done more than once.
import type { Millis } from "../core/clock.ts";
import type { World } from "./world.ts";

/**
 * Does one contract call as one step over the world. Where others write to the same world from elsewhere, the work is done
 * again over what they have made of it: only the last time counts.
 */
export type Run = <Answer>(work: (world: World, now: Millis) => Answer) => Promise<Answer>;
