// What handlers really did, as they say themselves: the truth that the store's records are held against.
import type { JobId } from "../../src/core/id.ts";

/** One call of a handler. */
export interface Run {
  readonly job: JobId;
  readonly attempt: number;
  readonly worker: string;
  readonly request: number | undefined;
  readonly signal: AbortSignal;
  readonly beganAt: number;
  /** `aborted`: it threw after its signal had told it to stop. */
  end?: "returned" | "threw" | "aborted";
}

export class Runs {
  readonly #all = new Map<string, Run[]>();
  /** Handlers that have not returned; those of dead processes never will. */
  readonly running = new Set<Run>();

  begin(run: Run): void {
    const name = `${run.job}#${run.attempt}`;
    this.#all.set(name, [...(this.#all.get(name) ?? []), run]);
    this.running.add(run);
  }

  end(run: Run, end: NonNullable<Run["end"]>): void {
    run.end = end;
    this.running.delete(run);
  }

  /** More than one only when the store went back and counted an attempt again. */
  of(job: JobId, attempt: number, worker: string): readonly Run[] {
    return this.#all.get(`${job}#${attempt}`)?.filter((run) => run.worker === worker) ?? [];
  }

  /** What still ran in a process that is gone does not run any more. */
  forget(worker: string): void {
    for (const run of this.running) if (run.worker === worker) this.running.delete(run);
  }
}
