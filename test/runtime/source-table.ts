// A user's own table of reports, with a feed of its changes that can lose them, end and fail.
import type { ScheduleOptions, SourceChange } from "../../src/index.ts";
import { every, type ScheduleSource, type ScheduleSourceOptions, scheduleSource, task } from "../../src/index.ts";

export interface Report {
  readonly id: string;
  readonly tenant?: string;
  readonly text: string;
  readonly everySeconds: number;
  readonly active?: boolean;
  /** Makes toSchedule throw. */
  readonly broken?: string;
}

export const report = task<string>("report");

/** What a record says of its schedule. */
export function toSchedule(record: Report): ScheduleOptions<string> | undefined {
  if (record.broken !== undefined) throw new Error(record.broken);
  if (record.active === false) return undefined;
  return {
    task: report,
    input: record.text,
    when: every(record.everySeconds * 1_000),
    ...(record.tenant === undefined ? {} : { tenant: record.tenant }),
  };
}

/** One opening of a feed. */
class Opening {
  readonly #said: SourceChange<Report>[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => {};

  say(change: SourceChange<Report>): void {
    this.#said.push(change);
    this.#wake();
  }

  end(error?: unknown): void {
    this.#end = error === undefined ? {} : { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceChange<Report>> {
    for (;;) {
      const next = this.#said.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export class Table {
  readonly rows = new Map<string, Report>();
  readonly openings: Opening[] = [];
  loads = 0;
  /** Changes are not told. */
  loses = false;
  /** Changes name no record. */
  terse = false;

  constructor(...rows: readonly Report[]) {
    for (const row of rows) this.rows.set(row.id, row);
  }

  put(row: Report): void {
    this.rows.set(row.id, row);
    this.say(this.terse ? { id: row.id } : { id: row.id, record: row });
  }

  delete(id: string): void {
    this.rows.delete(id);
    this.say(this.terse ? { id } : { id, removed: true });
  }

  say(change: SourceChange<Report>): void {
    if (!this.loses) for (const opening of this.openings) opening.say(change);
  }

  load = (): readonly Report[] => {
    this.loads++;
    return [...this.rows.values()];
  };

  changes = (): AsyncIterable<SourceChange<Report>> => {
    const opening = new Opening();
    this.openings.push(opening);
    return opening;
  };

  /** A source of this table's, reconciled once a minute. */
  source(options: Partial<ScheduleSourceOptions<Report>> = {}): ScheduleSource {
    const { load, changes } = this;
    return scheduleSource<Report>({ name: "reports", load, changes, toSchedule, ...options });
  }

  /** The same without the feed. */
  deaf(options: Partial<ScheduleSourceOptions<Report>> = {}): ScheduleSource {
    return scheduleSource<Report>({ name: "reports", load: this.load, toSchedule, ...options });
  }
}
