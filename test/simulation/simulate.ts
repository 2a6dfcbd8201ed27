// Runs seeds one after another and adds up what they went through.
import { type MakeStore, memoryStore } from "./store.ts";
import { type Breach, World } from "./world.ts";

/** A seed that broke a promise, with the end of its trace. */
export interface Failure extends Breach {
  readonly seed: number;
  readonly trace: readonly string[];
}

export interface Outcome {
  readonly failure: Failure | undefined;
  readonly counts: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}

/** Runs one seed. */
export async function simulate(seed: number, makeStore: MakeStore = memoryStore): Promise<Outcome> {
  const world = await World.make(seed, makeStore);
  await world.run();
  const { breach, counts, lines } = world;
  return { failure: breach === undefined ? undefined : { ...breach, seed, trace: lines }, counts, trace: lines };
}

/** What a failure says: the promise, the seed, the end of the trace, and how to see it again. */
export function describeFailure(
  { seed, promise, how, trace }: Failure,
  store: "memory" | "sqlite" = "memory",
  lines = 40,
): string {
  const engine = store === "memory" ? "" : ` --engine ${store}`;
  return [
    ...trace.slice(-lines),
    `seed ${seed} breaks ${promise}: ${how}`,
    `replay: node --conditions=source scripts/proof/simulation.ts --seed ${seed}${engine}`,
  ].join("\n");
}
