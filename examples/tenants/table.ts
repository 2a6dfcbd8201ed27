// The application's own table of reports, which its users fill in. After each write it says which row changed.
import { EventEmitter, on } from "node:events";
import { DatabaseSync } from "node:sqlite";
import type { SourceChange } from "punctual";

/** A report that a customer has set up. */
export interface Row {
  readonly id: number;
  readonly customer: string;
  readonly title: string;
  /** When to send it, as the customer typed it. */
  readonly cron: string;
  readonly active: number;
}

export class ReportTable {
  readonly #db = new DatabaseSync(":memory:");
  readonly #bus = new EventEmitter();
  /** The bus is down: nobody hears of a write. */
  silent = false;

  constructor() {
    this.#db.exec(
      "CREATE TABLE reports (id INTEGER PRIMARY KEY, customer TEXT, title TEXT, cron TEXT, active INTEGER) STRICT",
    );
  }

  add(customer: string, title: string, cron: string): void {
    const insert = this.#db.prepare("INSERT INTO reports (customer, title, cron, active) VALUES (?, ?, ?, 1)");
    this.#changed(Number(insert.run(customer, title, cron).lastInsertRowid));
  }

  change(title: string, cron: string): void {
    for (const { id } of this.#titled(title)) {
      this.#db.prepare("UPDATE reports SET cron = ? WHERE id = ?").run(cron, id);
      this.#changed(id);
    }
  }

  switchOff(title: string): void {
    for (const { id } of this.#titled(title)) {
      this.#db.prepare("UPDATE reports SET active = 0 WHERE id = ?").run(id);
      this.#changed(id);
    }
  }

  delete(title: string): void {
    for (const { id } of this.#titled(title)) {
      this.#db.prepare("DELETE FROM reports WHERE id = ?").run(id);
      this.#changed(id);
    }
  }

  all(): Row[] {
    return this.#db.prepare("SELECT * FROM reports").all() as unknown as Row[];
  }

  one(id: string): Row | undefined {
    return this.#db.prepare("SELECT * FROM reports WHERE id = ?").get(id) as Row | undefined;
  }

  /** Which rows change, as long as the signal allows. */
  async *changes(signal: AbortSignal): AsyncGenerator<SourceChange<Row>> {
    for await (const [id] of on(this.#bus, "changed", { signal })) yield { id };
  }

  close(): void {
    this.#db.close();
  }

  #titled(title: string): Row[] {
    return this.#db.prepare("SELECT * FROM reports WHERE title = ?").all(title) as unknown as Row[];
  }

  #changed(id: number): void {
    if (!this.silent) this.#bus.emit("changed", id);
  }
}
