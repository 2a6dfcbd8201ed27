// Folds what calls have counted into the lanes while a process is at work, so that counts stay cheap without a janitor.
import { defaults } from "../../core/defaults.ts";
import type { Connections } from "./connections.ts";
import { foldLanes } from "./lanes.ts";

/** Folds in a row, at most: others are at work too. */
const roundsMax = 10;

export class Folding {
  readonly #connections: () => Connections | undefined;
  #worked = 0;
  #folding = false;

  /** @param connections those that are open, if any */
  constructor(connections: () => Connections | undefined) {
    this.#connections = connections;
  }

  /** A call has been made: it may have counted something. Nobody waits for a fold. */
  worked(): void {
    this.#worked++;
    if (this.#worked < defaults.postgres.foldEvery || this.#folding) return;
    this.#worked = 0;
    this.#folding = true;
    void this.#fold().finally(() => {
      this.#folding = false;
    });
  }

  async #fold(): Promise<void> {
    const connections = this.#connections();
    if (connections === undefined) return;
    try {
      for (let rounds = 0; rounds < roundsMax && (await foldLanes(connections)); rounds++);
    } catch {
      // The next one, or anybody's, folds what this one has left.
    }
  }
}
