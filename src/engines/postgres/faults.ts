// What a driver throws, as the errors of the catalogue: whether anything was written, and whether to try again.
import {
  EngineNotConfiguredError,
  NotWrittenError,
  OutcomeUnknownError,
  PunctualError,
  StoreCorruptError,
} from "../../core/errors.ts";

/** The SQLSTATE of a server's answer; undefined for an error of the driver or the network. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  if ("code" in error && typeof error.code === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(error.code)) return error.code;
  // Libraries that wrap a driver's error keep it as the cause.
  return "cause" in error && error.cause !== error ? sqlState(error.cause) : undefined;
}

/** A deadlock, a failed serialization, or a key or id that another transaction took first: the step may be run again. */
export function isWorthRepeating(error: unknown): boolean {
  const state = sqlState(error);
  return state === "40P01" || state === "40001" || state === "23505";
}

/** A key or id that another transaction took first. */
export function isTaken(error: unknown): boolean {
  return sqlState(error) === "23505";
}

/** Something of that name has been made before. */
export function isThereAlready(error: unknown): boolean {
  return ["42P07", "42710", "42701"].includes(sqlState(error) ?? "");
}

/** Someone else's transaction holds a row, and did not let go in time. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === "55P03";
}

/** The server takes no such text, ever: a NUL character, or half of a surrogate pair. */
export function isOfValue(error: unknown): boolean {
  const state = sqlState(error) ?? (error instanceof Error ? sqlState(error.cause) : undefined);
  return state === "22P05" || state === "22021" || state === "22P02";
}

/** The server refused what one of several was about to write: its data, or its size. */
export function isOfData(error: unknown): boolean {
  const state = sqlState(error) ?? (error instanceof Error ? sqlState(error.cause) : undefined);
  return state !== undefined && ["21", "22", "23", "54"].includes(state.slice(0, 2));
}

/** A named statement that a transaction pooler has sent to another server connection. */
export function isLostStatement(error: unknown): boolean {
  const state = sqlState(error);
  return state === "26000" || state === "42P05";
}

/** The connection was known to be broken before the statement went out: it was not done. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith("is not queryable");
}

/** The wait for an answer was given up. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

/** The server ended the connection: what it was doing may have been committed just before. */
function endsConnection(state: string): boolean {
  return state.startsWith("08") || state === "57P01" || state === "57P02" || state === "57P03";
}

/** A table, column or schema is gone, or a page is damaged: waiting does not bring it back. */
function isCorrupt(state: string): boolean {
  return ["42P01", "42703", "3F000", "XX001", "XX002"].includes(state);
}

/** What a call needs is held by another transaction; the store itself is well. */
export function heldUp(cause: unknown): NotWrittenError {
  return new NotWrittenError("another transaction holds what this call needs", {
    mend: "Call again; `punctual doctor` names the transaction that stays open.",
    cause,
  });
}

const readOnly = "25006";

const readOnlyMend =
  "Connect to the primary server; where it is the primary: ALTER DATABASE name SET default_transaction_read_only = off, and the same for the role.";

/** The server takes no writes: it is a standby, or was told so. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === readOnly;
}

/** What a role that was refused may lack, as statements that give it. */
function rightsMend(message: string): string {
  const database = /permission denied for database (\S+)/.exec(message)?.[1];
  if (database !== undefined) {
    return `Let the role that migrates make the schema: GRANT CREATE ON DATABASE ${database} TO it; or run punctual migrate as one that may.`;
  }
  return (
    "Give the role what it is for: GRANT punctual_worker TO it, to run jobs; punctual_master, to administer the store; " +
    "punctual_app, to act for one tenant at a time. Only the schema's owner migrates."
  );
}

/** Certificates that no waiting makes good. */
const ofCertificates =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

const urlMend =
  "Write it as postgres://user:password@host:5432/database; in the password, @ is %40, / %2F, # %23, : %3A, ? %3F and % %25.";

/** What is wrong with the way to the server, and will be the next time too; undefined for a server that is away. */
export function misconfigured(error: unknown): EngineNotConfiguredError | undefined {
  const said = error instanceof Error ? error.message : String(error);
  const refused = (what: string, mend: string) =>
    new EngineNotConfiguredError(`${what}: ${said}`, { field: "location", mend, cause: error });
  switch (sqlState(error)) {
    case "28P01":
    case "28000":
      return refused(
        "the server refuses to let us in",
        "Check the user and the password of the URL, that the role exists and may LOGIN, and the server's pg_hba.conf.",
      );
    case "3D000":
      return refused("the server has no such database", "Correct the URL's database, or make it: CREATE DATABASE.");
    case "42501":
      return refused("the server refuses to let us in", "GRANT CONNECT ON DATABASE name TO the role of the URL.");
  }
  if (said.includes("client password must be a")) {
    return refused("the server asks for a password, and the URL has none", "Add it to the URL, or set PGPASSWORD.");
  }
  if (said.includes("does not support SSL")) {
    return refused(
      "the URL asks for TLS",
      "Turn TLS on at the server, or use ?sslmode=disable on a network that you trust.",
    );
  }
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  if (ofCertificates.test(code)) {
    return refused(
      "the server's certificate is not accepted",
      "Name its authority in the URL: ?sslmode=verify-full&sslrootcert=FILE.",
    );
  }
  return code === "ERR_INVALID_URL" || error instanceof URIError ? unreadableUrl() : undefined;
}

/** Without its cause, which holds the URL with its password. */
export function unreadableUrl(): EngineNotConfiguredError {
  return new EngineNotConfiguredError(
    "location must be a URL that can be read; its password may hold what is to be escaped",
    {
      field: "location",
      mend: urlMend,
    },
  );
}

/** What opening cannot get past, however often it is tried: a right that is lacking, a server that takes no writes. */
export function atOpening(error: unknown): unknown {
  const state = sqlState(error);
  if (!(error instanceof NotWrittenError) || (state !== "42501" && state !== readOnly)) return error;
  return new EngineNotConfiguredError(error.message, { field: "location", mend: error.mend, cause: error });
}

/**
 * An error as one of the catalogue.
 * @param sent what may have reached the server is such that it may be committed: with the connection gone, nobody knows
 */
export function translate(error: unknown, what: string, sent: boolean): Error {
  if (error instanceof PunctualError) return error;
  const state = sqlState(error);
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  if (state !== undefined && isCorrupt(state)) {
    return new StoreCorruptError(message, {
      mend: "Compare the schema with `punctual migrate --check`; restore what is missing.",
      cause: error,
    });
  }
  if (state === "42501") return new NotWrittenError(message, { mend: rightsMend(message), cause: error });
  if (state === readOnly) return new NotWrittenError(message, { mend: readOnlyMend, cause: error });
  if (isLockTimeout(error)) return heldUp(error);
  const isFinal = state !== undefined && !endsConnection(state);
  return isFinal || !sent
    ? new NotWrittenError(message, { cause: error })
    : new OutcomeUnknownError(message, { cause: error });
}
