// What a stage of chaos stands on, whichever engine it is.
import type { Engine } from "../../../src/core/engine.ts";
import type { Place } from "./place.ts";

/** A store of a stage's own, on servers that a fault may strike. */
export interface Ground {
  /** The store, as this process reaches it. */
  readonly engine: Engine<never>;
  /** As the other processes are told of it. */
  readonly place: Place;
  /** What falls short of what an engine of this kind promises, once all is over and nobody writes. */
  audit?(): Promise<readonly string[]>;
  /** Ends what was begun for this stage alone. */
  close(): Promise<void>;
}

/** What makes a ground. */
export interface GroundOptions {
  readonly audit: "changes" | "all";
  /** Whether the processes reach the server by way of the proxy. */
  readonly throughProxy: boolean;
}
