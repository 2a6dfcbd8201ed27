// What goes wrong with a source's records: each told once, until it changes or the record is well again.
import { shown } from "../core/duration.ts";
import { isPunctualError, PunctualError } from "../core/errors.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";

export class SourceReports {
  readonly #name: string;
  readonly #emitter: Emitter<SchedulerEvents>;
  /** The last thing told of each record that is not well. */
  readonly #told = new Map<string, string>();

  constructor(name: string, emitter: Emitter<SchedulerEvents>) {
    this.#name = name;
    this.#emitter = emitter;
  }

  /** Tells of the source itself. */
  tell(error: unknown): void {
    this.#emitter.emit("worker:error", { error, where: "source" });
  }

  /** Tells what is wrong with a record, with its id; again only when it is something else. */
  refuse(record: string, error: unknown): void {
    const why = error instanceof Error ? error.message : shown(error);
    if (this.#told.get(record) === why) return;
    this.#told.set(record, why);
    this.tell(
      new PunctualError(
        isPunctualError(error) ? error.code : "INVALID_INPUT",
        `source ${this.#name}, record ${record}: ${why}`,
        {
          mend: "Correct the record, or the source's toSchedule; its schedule stays as it was.",
          details: { source: this.#name, record },
          cause: error,
        },
      ),
    );
  }

  /** The record is well. */
  forget(record: string): void {
    this.#told.delete(record);
  }

  /** Every record was looked at: what is told of those that are well, or gone, is forgotten. */
  keepOnly(refused: ReadonlySet<string>): void {
    for (const record of this.#told.keys()) if (!refused.has(record)) this.#told.delete(record);
  }
}

/** Whether an error says something of the store, and nothing of the record that met it. */
export function isOfStore(error: unknown): boolean {
  return isPunctualError(error) && error.status >= 500;
}
