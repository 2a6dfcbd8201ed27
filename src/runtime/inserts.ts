// Inserts of one moment travel together. Those with a key travel apart: such a one may wait for another transaction that
// has taken its key, and the others must not wait with it.
import { defaults } from "../core/defaults.ts";
import type { Engine, Insert, InsertAnswer } from "../core/engine.ts";
import { Batcher } from "./batcher.ts";

/** The queues of jobs that are due at once. */
function dueQueues(inserts: readonly Insert[]): ReadonlySet<string> {
  const queues = new Set<string>();
  for (const { jobs } of inserts)
    for (const { due, queue } of jobs) if ("afterMs" in due && due.afterMs === 0) queues.add(queue);
  return queues;
}

export class Inserts {
  readonly #plain: Batcher<Insert, InsertAnswer>;
  readonly #keyed: Batcher<Insert, InsertAnswer>;

  /** @param onSent is told of queues that jobs which are due at once are on their way to */
  constructor(engine: Pick<Engine<never>, "jobs">, onSent?: (queue: string) => void) {
    const options = {
      max: defaults.batchMax,
      send: (inserts: readonly Insert[]) => {
        const answers = engine.jobs.insert(inserts);
        if (onSent !== undefined) for (const queue of dueQueues(inserts)) onSent(queue);
        return answers;
      },
    };
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
