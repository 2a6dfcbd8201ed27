// What the NATS client throws, as the errors of the catalogue: whether anything was written, and whether to try again. Errors are
// told by their names, as a connection of the user's may come from another copy of the client.
import {
  EngineNotConfiguredError,
  NotWrittenError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  PunctualError,
} from "../../core/errors.ts";

/** A request, for its errors. */
export interface Request {
  /** As "jobs.claim"; nothing is put before the message without. */
  readonly what?: string;
  /** When its answer is lost, nobody knows what it did. */
  readonly writes: boolean;
}

/** The code of JetStream's refusal, as 10071; undefined for an error of the client or the network. */
export function refusalOf(error: unknown): number | undefined {
  for (const one of chainOf(error)) {
    const code = "code" in one ? one.code : undefined;
    if (typeof code === "number" && one.name.endsWith("Error") && "apiError" in one) return code;
  }
  return undefined;
}

/** Codes of JetStream's refusals that the engine looks for. */
export const refusal = {
  notEnabledForAccount: 10_039,
  notEnabled: 10_076,
  streamNotFound: 10_059,
  nameInUse: 10_058,
  subjectsOverlap: 10_065,
  noMessage: 10_037,
  wrongLastSequence: 10_071,
  /** The same, in a batch. */
  wrongLastSequenceUnknown: 10_164,
  replicasUnsupported: 10_074,
  insufficientStorage: 10_047,
} as const;

/** Refusals, each with what is wrong and what to do if it does not pass. None has changed anything. */
const refusals: Readonly<Record<number, { readonly what: string; readonly mend?: string }>> = {
  10002: { what: "the account's limits are used up", mend: storageMend("Raise the account's JetStream limits") },
  10023: { what: "the server lacks memory or disk", mend: storageMend("Give the server more memory or disk") },
  10028: { what: "the server's memory for streams is full", mend: storageMend("Raise the server's max_mem") },
  [refusal.insufficientStorage]: {
    what: "the server's disk for streams is full",
    mend: storageMend("Raise the server's max_file or the disk"),
  },
  10077: {
    what: "the stream is full or cannot be written",
    mend: storageMend("Raise the stream's limits or the disk"),
  },
  [refusal.streamNotFound]: {
    what: "the stream is gone",
    mend: "Somebody has deleted it: restore it from a backup (nats stream restore), or open a new store.",
  },
  10110: {
    what: "the stream forbids deleting and purging",
    mend: "Give the store a stream without deny_purge.",
  },
  10109: { what: "the stream is sealed and takes nothing more", mend: "Give the store another stream." },
  10008: { what: "JetStream is away for the moment" },
  10009: { what: "the stream's leader is being elected" },
  10118: { what: "the stream's servers are away" },
};

function storageMend(first: string): string {
  return `${first}, keep fewer finished jobs (retention), or remove other streams; then call again.`;
}

const rightsMend = (subject: string, operation: string) =>
  `Allow the user to ${operation === "subscription" ? "subscribe to" : "publish to"} ${subject}; docs/engines/nats.md lists all rights.`;

/**
 * An error as one of the catalogue.
 * @param request what was asked: with its answer lost, nobody knows what a write did
 */
export function asStoreError(error: unknown, request: Request): Error {
  if (error instanceof PunctualError) return error;
  const said = textOf(error);
  const lead = request.what === undefined ? "" : `${request.what}: `;
  const violation = named(error, "PermissionViolationError");
  if (violation !== undefined) return rightLacking(violation, lead, request);
  const code = refusalOf(error);
  const known = code === undefined ? undefined : refusals[code];
  if (code === 10_054 || (named(error, "InvalidArgumentError") && said.includes("max_payload"))) {
    return new PayloadTooLargeError(`${lead}a message is larger than the server or the stream takes (${said})`, {
      mend: "Raise max_payload of the server, or max_msg_size of the stream.",
      cause: bare(error),
    });
  }
  if (known !== undefined) {
    const { what, mend } = known;
    return new NotWrittenError(`${lead}${what} (${said})`, {
      ...(mend === undefined ? {} : { mend }),
      cause: bare(error),
    });
  }
  const message = `${lead}${said}`;
  const neverDone = code !== undefined || wasNeverSent(error) || foundNobody(error);
  if (!request.writes || neverDone) return new NotWrittenError(message, { cause: bare(error) });
  return new OutcomeUnknownError(message, { cause: bare(error) });
}

/** The user lacks a right: a publish was not taken; an answer that could not be heard says nothing of what was done. */
function rightLacking(violation: Error, lead: string, { writes }: Request): Error {
  const { operation = "publish", subject = "the subject" } = violation as { operation?: string; subject?: string };
  const message = `${lead}the user lacks a right: ${violation.message}`;
  const options = { mend: rightsMend(subject, operation), cause: bare(violation) };
  if (writes && operation === "subscription") return new OutcomeUnknownError(message, options);
  return new NotWrittenError(message, options);
}

/** The client refused before anything left: its connection is closed, or about to be. */
export function wasNeverSent(error: unknown): boolean {
  const own = ["ClosedConnectionError", "DrainingConnectionError", "InvalidArgumentError", "InvalidSubjectError"];
  return error instanceof Error && own.includes(error.name);
}

/** The server had nobody to hand the request to: no stream, or none with a leader. */
function foundNobody(error: unknown): boolean {
  return named(error, "NoRespondersError") !== undefined || named(error, "JetStreamNotEnabled") !== undefined;
}

/** An election or a connection that is made anew ends by itself: while a store is opened, it is waited for. */
export function mayPass(error: unknown): boolean {
  if (error instanceof PunctualError) return false;
  const code = refusalOf(error);
  if (code === refusal.notEnabledForAccount) return false;
  if (code !== undefined) return passing.has(code);
  if (named(error, "PermissionViolationError") !== undefined) return false;
  const names = ["TimeoutError", "NoRespondersError", "JetStreamNotEnabled"];
  if (names.some((name) => named(error, name) !== undefined)) return true;
  return error instanceof Error && error.name === "RequestError";
}

/** No peers yet, no leader yet, offline, or resources that a cluster has not counted yet. */
const passing: ReadonlySet<number> = new Set([10_005, 10_008, 10_009, 10_023, 10_118, 10_194]);

/** Certificates that no waiting makes good. */
const ofCertificates =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|ERR_OSSL_\w+|ERR_SSL_\w+)$/;

/** What is wrong with the way to the server, and will be the next time too; undefined for a server that is away. */
export function misconfigured(error: unknown): EngineNotConfiguredError | undefined {
  const said = textOf(error);
  const refused = (what: string, mend: string) =>
    new EngineNotConfiguredError(`${what}: ${said}`, { field: "location", mend, cause: bare(error) });
  const isRefusal = named(error, "AuthorizationError") !== undefined && !/timeout/i.test(said);
  if (isRefusal || named(error, "UserAuthenticationExpiredError") !== undefined) {
    return refused(
      "the server refuses to let us in",
      "Check the user, password, token, seed or credentials: nats://user:password@host, nats://token@host, or the options user, token, seed, creds.",
    );
  }
  const codes = [...chainOf(error)].map((one) => ("code" in one ? String(one.code) : ""));
  if (codes.some((code) => ofCertificates.test(code))) {
    return refused(
      "the server's certificate, or ours, is not accepted",
      "Name the authority in tls.caFile or NODE_EXTRA_CA_CERTS; where the server asks for one, give tls.certFile and tls.keyFile.",
    );
  }
  if (said.includes("does not support 'tls'") || said.includes("'tls' is not available")) {
    return refused("the server has no TLS", "Use nats: instead of tls:, and leave out the option tls.");
  }
  if (said.includes("unexpected response from server")) {
    return refused("what answers there is no NATS server", "Check the port: 4222 is the one of clients.");
  }
  if (/^(?:ENOENT|EACCES)$/.test(codes[0] ?? "") || said.endsWith("doesn't exist")) {
    return refused("a file that the connection needs cannot be read", "Check the paths of tls and creds.");
  }
  return undefined;
}

/** What opening cannot get past, however often it is tried: a right that is lacking, JetStream that is switched off. */
export function atOpening(error: unknown): unknown {
  if (!(error instanceof NotWrittenError)) return error;
  if (named(error, "PermissionViolationError") === undefined) return error;
  return new EngineNotConfiguredError(error.message, { field: "location", mend: error.mend, cause: error });
}

/** An error of the client without what hangs on it: requests hold what was sent. */
export function bare(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { cause } = error;
  const copy = new Error(error.message, cause instanceof Error ? { cause: bare(cause) } : undefined);
  copy.name = error.name;
  return "code" in error ? Object.assign(copy, { code: error.code }) : copy;
}

/** The first of an error and its causes that has this name. */
export function named(error: unknown, name: string): Error | undefined {
  for (const one of chainOf(error)) if (one.name === name) return one;
  return undefined;
}

function* chainOf(error: unknown): Generator<Error> {
  let one = error;
  for (let depth = 0; one instanceof Error && depth < 5; depth++, one = one.cause) yield one;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
