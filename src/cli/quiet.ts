// Keeps one sentence of Node's from users of the command line.

/**
 * Drops Node's ExperimentalWarning about node:sqlite, and nothing else; its interface has been stable since Node 22.13.
 * Warnings pass through `process.emitWarning` before any listener or flag sees them, on Node 22 as on 24.
 */
export function silenceSqliteWarning(): void {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    const isSqlite = typeof warning === "string" && warning.startsWith("SQLite is an experimental feature");
    if (isSqlite && rest[0] === "ExperimentalWarning") return;
    Reflect.apply(emit, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
}
