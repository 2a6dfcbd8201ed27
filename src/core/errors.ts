// The error catalogue: every failure a caller can see, with its stable code, HTTP status, exit code and mend.

interface CatalogueEntry {
  /** HTTP status an API answers with. */
  readonly status: number;
  /** Process exit code of the CLI; 64-78 follow sysexits.h, 1 is a refusal by the present state. */
  readonly exitCode: number;
  /** What to do about it, when the place that throws knows nothing better. */
  readonly mend: string;
}

/** Every code there is. `docs/errors.md` lists the same codes; a test compares the two both ways. */
export const errorCatalogue = {
  INVALID_INPUT: { status: 400, exitCode: 64, mend: "Correct the named field and call again; nothing was stored." },
  INVALID_CRON: {
    status: 400,
    exitCode: 64,
    mend: "Correct the named field of the cron expression; nothing was stored.",
  },
  INVALID_TIME_ZONE: { status: 400, exitCode: 64, mend: 'Use an IANA zone name such as "Europe/Paris" or "UTC".' },
  INPUT_REFUSED: {
    status: 400,
    exitCode: 65,
    mend: "Send an input which the task's schema accepts; nothing was stored.",
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    exitCode: 65,
    mend: "Store the data elsewhere and enqueue a reference to it, or raise payloadBytesMax.",
  },
  KEY_IN_USE: { status: 409, exitCode: 1, mend: 'Use onConflict "replace" or "ignore", or another key.' },
  IDEMPOTENCY_MISMATCH: { status: 422, exitCode: 1, mend: "Use a new idempotencyKey for a different request." },
  ALREADY_EXISTS: { status: 409, exitCode: 1, mend: "Use ensure to accept an existing schedule, or another id." },
  NOT_FOUND: {
    status: 404,
    exitCode: 1,
    mend: "Check the id and the tenant; finished jobs are kept only as long as retention says.",
  },
  REVISION_CONFLICT: {
    status: 412,
    exitCode: 1,
    mend: "Read the schedule again, apply the change to what it says now, and update with its revision.",
  },
  STATE_CONFLICT: {
    status: 409,
    exitCode: 1,
    mend: "Read the job again: its present state does not allow this change.",
  },
  LIMIT_EXCEEDED: {
    status: 422,
    exitCode: 1,
    mend: "Stay under the named limit, or have an operator raise the tenant's guardrails.",
  },
  NOT_WRITTEN: { status: 503, exitCode: 75, mend: "Nothing was written: call again when the store is back." },
  OUTCOME_UNKNOWN: {
    status: 503,
    exitCode: 75,
    mend: "Make the same call again with the same ids: it finds what it wrote, if it did.",
  },
  ENGINE_NOT_CONFIGURED: {
    status: 500,
    exitCode: 78,
    mend: "Install the named package or name an engine that is there.",
  },
  STORE_CORRUPT: { status: 500, exitCode: 65, mend: "Restore the file from a backup; Punctual has not touched it." },
  STORE_TOO_NEW: {
    status: 500,
    exitCode: 78,
    mend: "Run the version of Punctual that migrated this store, or a newer one.",
  },
  STORE_OUTDATED: {
    status: 500,
    exitCode: 78,
    mend: "Run punctual migrate, which applies the missing steps, or open the store without migrate: false.",
  },
  STORE_UNSAFE: { status: 500, exitCode: 78, mend: "Change the named setting of the store." },
  NATS_SERVER_TOO_OLD: {
    status: 500,
    exitCode: 78,
    mend: "Use NATS server 2.12 or newer, on every server of the cluster.",
  },
  COPY_REFUSED: {
    status: 409,
    exitCode: 1,
    mend: "Bring both stores into the state that a copy needs, and copy again.",
  },
  TRANSACTIONS_UNSUPPORTED: {
    status: 500,
    exitCode: 64,
    mend: "Use the sqlite or postgres engine for work inside your own transaction.",
  },
  NO_HANDLER: { status: 500, exitCode: 64, mend: "Give createScheduler handlers, or start without the worker role." },
  STOPPED: { status: 503, exitCode: 1, mend: "Start the scheduler again, or create another one." },
  LEASE_LOST: {
    status: 409,
    exitCode: 1,
    mend: "Stop this attempt: another worker may hold the job. Keep the event loop free and the lease long enough.",
  },
  ATTEMPT_TIMEOUT: { status: 500, exitCode: 1, mend: "Make the handler faster or raise the task's timeout." },
  ATTEMPT_CANCELLED: { status: 409, exitCode: 1, mend: "Someone cancelled the job: stop working on it." },
  ATTEMPT_ABORTED: {
    status: 503,
    exitCode: 1,
    mend: "The worker is shutting down: the job is released and runs again elsewhere.",
  },
  PERMANENT: {
    status: 500,
    exitCode: 1,
    mend: "The handler said that another attempt cannot help; see the job's reason.",
  },
  RETRY_AT: { status: 500, exitCode: 1, mend: "The handler asked for another attempt at an instant of its own." },
} as const satisfies Record<string, CatalogueEntry>;

/** A stable error code; match on it rather than on the class, which may exist twice in one process. */
export type ErrorCode = keyof typeof errorCatalogue;

/** What an error carries beside its message. */
export interface ErrorOptions {
  /** The argument or option that is at fault, as the caller spells it. */
  readonly field?: string;
  /** What to do about it; the catalogue's sentence when absent. */
  readonly mend?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Base of every error Punctual throws. */
export class PunctualError extends Error {
  readonly code: ErrorCode;
  readonly field?: string;
  readonly mend: string;
  readonly details?: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.mend = options.mend ?? errorCatalogue[code].mend;
    if (options.field !== undefined) this.field = options.field;
    if (options.details !== undefined) this.details = options.details;
  }

  /** HTTP status an API answers with. */
  get status(): number {
    return errorCatalogue[this.code].status;
  }

  /** Exit code of a command that ends with this error. */
  get exitCode(): number {
    return errorCatalogue[this.code].exitCode;
  }
}

/** An argument, option or definition is not acceptable; nothing was stored. */
export class InvalidInputError extends PunctualError {
  constructor(message: string, options: ErrorOptions & { readonly field: string }, code: ErrorCode = "INVALID_INPUT") {
    super(code, message, options);
  }
}

/** A cron expression breaks the grammar or names dates that never come. */
export class InvalidCronError extends InvalidInputError {
  constructor(message: string, options: ErrorOptions & { readonly field: string }) {
    super(message, options, "INVALID_CRON");
  }
}

/** A time zone is not one of the runtime's IANA names. */
export class InvalidTimeZoneError extends InvalidInputError {
  constructor(message: string, options: ErrorOptions & { readonly field: string }) {
    super(message, options, "INVALID_TIME_ZONE");
  }
}

/** The task's own schema refuses an input; `details.issues` lists why. */
export class InputRefusedError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("INPUT_REFUSED", message, options);
  }
}

/** An input is larger than the limit; `details` has `bytes` and `bytesMax`. */
export class PayloadTooLargeError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("PAYLOAD_TOO_LARGE", message, options);
  }
}

/** `onConflict: "error"` met an unfinished job with the same key; `details.id` names it. */
export class KeyInUseError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("KEY_IN_USE", message, options);
  }
}

/** An idempotencyKey came again with another body within 24 hours. */
export class IdempotencyMismatchError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("IDEMPOTENCY_MISMATCH", message, options);
  }
}

/** `schedules.create` met an existing id. */
export class AlreadyExistsError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("ALREADY_EXISTS", message, options);
  }
}

/** No such job, schedule or key for this tenant. */
export class NotFoundError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("NOT_FOUND", message, options);
  }
}

/** Someone else changed the schedule since it was read. */
export class RevisionConflictError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("REVISION_CONFLICT", message, options);
  }
}

/** The job's present state does not allow the change. */
export class StateConflictError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STATE_CONFLICT", message, options);
  }
}

/**
 * A tenant's guardrail refuses; `details` has `limit`, `max`, `value` and `tenant`; of a backfill that met it midway, how many
 * jobs were `made`, and `madeThrough` which tick.
 */
export class LimitExceededError extends PunctualError {
  constructor(message: string, options: ErrorOptions) {
    super("LIMIT_EXCEEDED", message, options);
  }
}

/** The store failed before anything was written: the call may be made again as it is. */
export class NotWrittenError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("NOT_WRITTEN", message, options);
  }
}

/** The store failed and may or may not have written: the same call, with the same ids, finds out. */
export class OutcomeUnknownError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("OUTCOME_UNKNOWN", message, options);
  }
}

/** The engine lacks a driver, a dependency or a usable URL. */
export class EngineNotConfiguredError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("ENGINE_NOT_CONFIGURED", message, options);
  }
}

/** The store's data cannot be read as Punctual's; it was left untouched. */
export class StoreCorruptError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STORE_CORRUPT", message, options);
  }
}

/** A newer version of Punctual has migrated the store in a breaking way. */
export class StoreTooNewError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STORE_TOO_NEW", message, options);
  }
}

/** The store lacks steps of the schema, and was opened without applying them; `details.steps` lists their numbers. */
export class StoreOutdatedError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STORE_OUTDATED", message, options);
  }
}

/** A copy would lose or mix something: the source is not at rest, or the target holds something else. */
export class CopyRefusedError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("COPY_REFUSED", message, options);
  }
}

/** A setting of the store would lose or corrupt jobs. */
export class StoreUnsafeError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STORE_UNSAFE", message, options);
  }
}

/** The NATS server is older than 2.12, or leaves out what was asked of it; `details` has `version` and `versionMin`. */
export class NatsServerTooOldError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("NATS_SERVER_TOO_OLD", message, options);
  }
}

/** The engine has no transactions that a caller could join. */
export class TransactionsUnsupportedError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("TRANSACTIONS_UNSUPPORTED", message, options);
  }
}

/** A worker was started with nothing to run. */
export class NoHandlerError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("NO_HANDLER", message, options);
  }
}

/** The scheduler has been stopped. */
export class StoppedError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("STOPPED", message, options);
  }
}

/** Reason of an aborted `ctx.signal`: the lease is gone or about to end unextended. */
export class LeaseLostError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("LEASE_LOST", message, options);
  }
}

/** Reason of an aborted `ctx.signal`: the attempt outlasted the task's timeout. */
export class AttemptTimeoutError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("ATTEMPT_TIMEOUT", message, options);
  }
}

/** Reason of an aborted `ctx.signal`: the job was cancelled while it ran. */
export class AttemptCancelledError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("ATTEMPT_CANCELLED", message, options);
  }
}

/** Reason of an aborted `ctx.signal`: the worker's shutdown deadline has passed. */
export class AttemptAbortedError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("ATTEMPT_ABORTED", message, options);
  }
}

/** Thrown by a handler: fail the job now, whatever attempts are left. */
export class PermanentError extends PunctualError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("PERMANENT", message, options);
  }
}

/** Thrown by a handler: try again at that instant; no failure is counted. */
export class RetryAt extends PunctualError {
  /** When the next attempt is due. */
  readonly at: Date;

  constructor(at: Date, message = "the handler asked to be run again later", options: ErrorOptions = {}) {
    super("RETRY_AT", message, options);
    if (!(at instanceof Date) || Number.isNaN(at.getTime())) {
      throw new InvalidInputError("RetryAt takes a valid Date", { field: "at" });
    }
    this.at = new Date(at);
  }
}

/** Whether something thrown is a Punctual error with this code; works across two copies of the package. */
export function hasCode(error: unknown, code: ErrorCode): error is PunctualError {
  try {
    return typeof error === "object" && error !== null && "code" in error && error.code === code;
  } catch {
    // What a user's code throws may throw in turn when it is looked at.
    return false;
  }
}

/** Whether something thrown is any Punctual error; works across two copies of the package. */
export function isPunctualError(error: unknown): error is PunctualError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    Object.hasOwn(errorCatalogue, error.code)
  );
}
