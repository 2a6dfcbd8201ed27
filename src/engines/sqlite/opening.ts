// Opening a store: everything that can refuse it comes before the first write.
import { existsSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { EngineNotConfiguredError, PunctualError, StoreOutdatedError, StoreUnsafeError } from "../../core/errors.ts";
import type { MigrationStep } from "../../core/schema.ts";
import { Connection, type Database, isError, rollBack, sqliteCode } from "./database.ts";
import { applicationId, checkContent, checkHeader, checkPlace, isNew, openFile } from "./file.ts";
import { checkEpoch, checkTables, hasStore, migrate, missing, refuseTaken } from "./migrations/migrate.ts";
import { patiently, translate } from "./patience.ts";

/** How to open a store. */
export interface OpenOptions {
  /** A resolved path or ":memory:", or the user's own open database. */
  readonly location: string | Database;
  readonly clock: Clock;
  readonly synchronous: "normal" | "full" | undefined;
  /** Refuses to make a store where there is none. */
  readonly mustExist: boolean;
  /** Applies the schema's missing steps; else a store that lacks some is refused. */
  readonly migrate: boolean;
}

/** An open store. */
export interface OpenStore {
  readonly connection: Connection;
  /** How long the user's own connection blocks when it is busy, in ms; ours never does. */
  readonly blocksMs: number;
  /** The steps of the schema that were applied just now. */
  readonly applied: readonly MigrationStep[];
}

/** @throws StoreCorruptError, StoreTooNewError, StoreUnsafeError, EngineNotConfiguredError: the file is untouched. */
export async function openStore(options: OpenOptions): Promise<OpenStore> {
  const { location } = options;
  if (typeof location !== "string") return openOn(new Connection(location), options);
  let database: Database | undefined;
  try {
    if (location !== ":memory:") {
      if (options.mustExist && !existsSync(location)) throw noStore(location);
      checkPlace(location);
      checkHeader(location);
    }
    if (location !== ":memory:" && existsSync(location)) await lookFirst(location, options);
    database = await openFile(location);
    return await openOn(new Connection(database), options);
  } catch (error) {
    database?.close();
    if (isForbidden(error)) {
      throw new EngineNotConfiguredError(`${location} cannot be opened`, {
        field: "location",
        mend: "Check that the file and its folder may be read and written.",
        cause: error,
      });
    }
    throw translate(error, `${location} cannot be opened`);
  }
}

/** Looks at a file through a connection that cannot write: even closing one that can moves the log into the file. */
async function lookFirst(path: string, options: OpenOptions): Promise<void> {
  const database = await openFile(path, true);
  try {
    const connection = new Connection(database);
    await patiently(() => {
      checkContent(connection, path);
      check(connection, options);
    });
  } finally {
    database.close();
  }
}

function check(connection: Connection, { location, mustExist, migrate }: OpenOptions): void {
  if (hasStore(connection)) {
    checkTables(connection);
    checkEpoch(connection);
    if (!migrate) refuseOutdated(connection);
    return;
  }
  if (mustExist && location !== ":memory:") {
    throw noStore(typeof location === "string" ? location : "the database", strangersTable(connection));
  }
  refuseTaken(connection);
  if (!migrate) refuseOutdated(connection);
}

function refuseOutdated(connection: Connection): void {
  const steps = missing(connection).map(({ id, name }) => `${id} (${name})`);
  if (steps.length === 0) return;
  throw new StoreOutdatedError(`the store lacks ${steps.length === 1 ? "step" : "steps"} ${steps.join(", ")}`, {
    details: { steps: missing(connection).map(({ id }) => id) },
  });
}

async function openOn(connection: Connection, options: OpenOptions): Promise<OpenStore> {
  const path = typeof options.location === "string" ? options.location : undefined;
  await patiently(() => check(connection, options));
  const blocksMs = path === undefined ? timeoutOf(connection) : 0;
  await setUp(connection, path, options.synchronous);
  const applied = await patiently(() => applyMissing(connection, options.clock, path !== undefined));
  return { connection, blocksMs, applied };
}

async function setUp(connection: Connection, path: string | undefined, synchronous: "normal" | "full" | undefined) {
  const row = await patiently(() =>
    connection.get<{ journal_mode: string }>("-- store.wal\nPRAGMA journal_mode = WAL"),
  );
  const mode = row?.journal_mode;
  if (path !== undefined && path !== ":memory:" && mode !== "wal") {
    throw new StoreUnsafeError(`${path} cannot be used in WAL mode: it stays in mode ${mode}`, {
      mend: "Put the file on a local disk.",
    });
  }
  // A user's connection keeps the durability that its owner chose, unless this option is given.
  const wanted = synchronous ?? (path === undefined ? undefined : "normal");
  if (wanted !== undefined) connection.database.exec(`PRAGMA synchronous = ${wanted.toUpperCase()}`);
}

function applyMissing(connection: Connection, clock: Clock, ours: boolean): MigrationStep[] {
  if (missing(connection).length === 0) return [];
  connection.run("-- migrations.begin\nBEGIN IMMEDIATE");
  try {
    // Another process may have been here since.
    checkEpochIfAny(connection);
    if (ours && isNew(connection)) connection.database.exec(`PRAGMA application_id = ${applicationId}`);
    const applied = migrate(connection, clock.now());
    connection.run("-- migrations.commit\nCOMMIT");
    return applied;
  } catch (error) {
    rollBack(connection);
    throw error;
  }
}

function checkEpochIfAny(connection: Connection): void {
  if (hasStore(connection)) checkEpoch(connection);
}

/** Whether the file or its folder may not be read or written; waiting does not change that. */
function isForbidden(error: unknown): boolean {
  const cause = error instanceof PunctualError ? error.cause : error;
  const code = sqliteCode(cause) ?? (isError(cause) && "code" in cause ? cause.code : undefined);
  return ["CANTOPEN", "READONLY", "EACCES", "EPERM", "EROFS"].includes(String(code));
}

/** A table of a database that is no store: it belongs to something else. */
function strangersTable(connection: Connection): string | undefined {
  const sql = `-- store.strangers
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT 1`;
  return connection.get<{ name: string }>(sql)?.name;
}

function noStore(place: string, stranger?: string): EngineNotConfiguredError {
  if (stranger !== undefined) {
    return new EngineNotConfiguredError(
      `there is no store in ${place}: its tables are something else's (${stranger})`,
      {
        field: "location",
        mend: "Name the store's own file.",
      },
    );
  }
  return new EngineNotConfiguredError(`there is no store in ${place}`, {
    field: "location",
    mend: "Name the store's file, or let `punctual serve` or `punctual enqueue` create it.",
  });
}

function timeoutOf(connection: Connection): number {
  return connection.get<{ timeout: number }>("-- store.timeout\nPRAGMA busy_timeout")?.timeout ?? 0;
}
