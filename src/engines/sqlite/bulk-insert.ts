// Inserts many rows with several to a statement, which costs half of one by one.
import type { Connection, Value } from "./database.ts";

const rowsAtOnce = 50;

/** The statements that insert 1 to `rowsAtOnce` rows into a table, by the number of rows. */
export function bulkStatements(operation: string, table: string, columns: readonly string[]): readonly string[] {
  const row = `(${columns.map(() => "?").join(", ")})`;
  const statement = (rows: number) =>
    `-- ${operation}\nINSERT INTO ${table} (${columns.join(", ")}) VALUES ${Array.from({ length: rows }, () => row).join(", ")}`;
  return Array.from({ length: rowsAtOnce }, (_, index) => statement(index + 1));
}

/** Gathers rows and inserts them; the last ones with `flush`. */
export class BulkInsert {
  readonly #connection: Connection;
  readonly #statements: readonly string[];
  #values: Value[] = [];
  #rows = 0;

  constructor(connection: Connection, statements: readonly string[]) {
    this.#connection = connection;
    this.#statements = statements;
  }

  add(...row: readonly Value[]): void {
    for (const value of row) this.#values.push(value);
    this.#rows++;
    if (this.#rows === rowsAtOnce) this.flush();
  }

  flush(): void {
    const statement = this.#statements[this.#rows - 1];
    if (statement === undefined) return;
    this.#connection.run(statement, ...this.#values);
    this.#values = [];
    this.#rows = 0;
  }
}
