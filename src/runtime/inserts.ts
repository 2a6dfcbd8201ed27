// Inserts of one moment travel together. Those with a key travel apart: such a one may wait for another transaction that
// has taken its key, and the others must not wait with it.
import { defaults } from "../core/defaults.ts";
import type { Engine, Insert, InsertAnswer } from "../core/engine.ts";
import { Batcher } from "./batcher.ts";

export class Inserts {
  readonly #plain: Batcher<Insert, InsertAnswer>;
  readonly #keyed: Batcher<Insert, InsertAnswer>;

  constructor(engine: Pick<Engine<never>, "jobs">) {
    const options = { max: defaults.batchMax, send: (inserts: readonly Insert[]) => engine.jobs.insert(inserts) };
    this.#plain = new Batcher(options);
    this.#keyed = new Batcher(options);
  }

  /** Sends an insert with whatever else gathers; settles with its own answer or error. */
  add(insert: Insert): Promise<InsertAnswer> {
    const hasKey = insert.jobs.some(({ key, idempotency }) => key !== undefined || idempotency !== undefined);
    return (hasKey ? this.#keyed : this.#plain).add(insert);
  }

  /** Resolves when everything added so far has been answered. */
  async idle(): Promise<void> {
    await Promise.all([this.#plain.idle(), this.#keyed.idle()]);
  }
}
