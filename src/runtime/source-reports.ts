// What goes wrong with a source's records: each told once, until it changes or the record is well again.
import { shown } from "../core/duration.ts";
import { isPunctualError, PunctualError } from "../core/errors.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";

export class SourceReports {
  readonly #name: string;
  readonly #emitter: Emitter<SchedulerEvents>;
  /** What has been told of each record that is not well; several where ids are unique in a tenant only. */
  #told = new Map<string, Set<string>>();
  /** What was wrong since the last load was through. */
  #found = new Map<string, Set<string>>();

  constructor(name: string, emitter: Emitter<SchedulerEvents>) {
    this.#name = name;
    this.#emitter = emitter;
  }

  /** Tells of the source itself. */
  tell(error: unknown): void {
    this.#emit(this.#named(error));
  }

  /** Tells what is wrong with a record, with its id; again only when it is something else. */
  refuse(record: string, error: unknown): void {
    const why = error instanceof Error ? error.message : shown(error);
    const isNew = this.#told.get(record)?.has(why) !== true;
    for (const map of [this.#told, this.#found]) map.set(record, (map.get(record) ?? new Set()).add(why));
    if (!isNew) return;
    this.#emit(
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

  /** The feed says that the record is well, or gone. */
  forget(record: string): void {
    this.#told.delete(record);
    this.#found.delete(record);
  }

  /** Every record was looked at: what was told of those that are well by now, or gone, is forgotten. */
  endOfLoad(): void {
    this.#told = this.#found;
    this.#found = new Map();
  }

  #emit(error: unknown): void {
    this.#emitter.emit("worker:error", { error, where: "source" });
  }

  /** An error that names the source, in its message and its details. */
  #named(error: unknown): Error {
    const source = this.#name;
    const message = error instanceof Error ? error.message : shown(error);
    const text = message.startsWith(`source ${source}`) ? message : `source ${source}: ${message}`;
    if (!isPunctualError(error)) return Object.assign(new Error(text, { cause: error }), { details: { source } });
    const { code, mend, field } = error;
    const about = field === undefined ? {} : { field };
    return new PunctualError(code, text, { ...about, mend, details: { ...error.details, source }, cause: error });
  }
}

/** Whether an error says something of the store, and nothing of the record that met it. */
export function isOfStore(error: unknown): boolean {
  return isPunctualError(error) && error.status >= 500;
}
