// The stores a parity fact runs on, each on a virtual clock.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import type { Engine, Handler } from "../../src/index.ts";
import type { VirtualClock } from "../../src/testing/index.ts";
import { type Rig, rigOn } from "../runtime/rig.ts";

/** A store that several schedulers, one after another or at once, may be made over. */
export interface Place {
  readonly name: string;
  /** An engine on it: the same object each time in memory, a new connection to the file otherwise. */
  engine(): Engine;
}

/** Makes a fresh, empty store that is gone after the fact. */
export type MakePlace = (clock: VirtualClock) => Place;

const inMemory: MakePlace = (clock) => {
  const engine = memory({ clock });
  return { name: "memory", engine: () => engine };
};

const inFile: MakePlace = (clock) => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-parity-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { name: "sqlite", engine: () => sqlite(join(folder, "jobs.db"), { clock }) as unknown as Engine };
};

/** For `describe.each`: the name and how to make it. */
export const places: readonly (readonly [name: string, make: MakePlace])[] = [
  ["memory", inMemory],
  ["sqlite file", inFile],
];

/** A scheduler on a store, which knows where it is so that another may follow it there. */
export function openOn(
  place: Place,
  clock: VirtualClock,
  handlers: readonly Handler[],
): Rig & { readonly place: Place } {
  return { ...rigOn(place.engine(), clock, { handlers }), place };
}
