// What a driver throws, as the errors of the catalogue: whether anything was written, and whether to try again.
import { NotWrittenError, OutcomeUnknownError, PunctualError, StoreCorruptError } from "../../core/errors.ts";

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
  if (state === "42501") {
    return new NotWrittenError(message, {
      mend: "Grant this role the rights that docs/engines/postgres.md lists for it.",
      cause: error,
    });
  }
  if (isLockTimeout(error)) return heldUp(error);
  const isFinal = state !== undefined && !endsConnection(state);
  return isFinal || !sent
    ? new NotWrittenError(message, { cause: error })
    : new OutcomeUnknownError(message, { cause: error });
}
