// What ioredis throws, as the errors of the catalogue: whether anything was written, and whether to try again.
import {
  EngineNotConfiguredError,
  NotWrittenError,
  OutcomeUnknownError,
  PunctualError,
  StoreCorruptError,
  StoreTooNewError,
} from "../../core/errors.ts";

/** A call, for its errors. */
export interface Request {
  /** As "jobs.claim". */
  readonly what: string;
  /** When its answer is lost, nobody knows what it did. */
  readonly writes: boolean;
}

/** The wait for an answer was given up. */
export class UnansweredError extends Error {}

/** The first word of a server's refusal, as "OOM"; undefined for an error of the driver or the network. */
export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  // Redis 6.2 wraps what a script's command was refused with.
  const wrapped = /^ERR Error running script .*?: -([A-Z]+) /s.exec(error.message)?.[1];
  return wrapped ?? /^[A-Z]+/.exec(error.message)?.[0] ?? "ERR";
}

/** The call never left: it may be made again. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith("enableOfflineQueue options is false");
}

/** An error of the driver without the command that it names: its arguments may be private, or a password. */
export function bare(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = new Error(error.message);
  cause.name = error.name;
  return "code" in error ? Object.assign(cause, { code: error.code }) : cause;
}

/** Refusals that change nothing and may pass, each with what to do if it does not. */
const refusals: Readonly<Record<string, { readonly what: string; readonly mend?: string }>> = {
  OOM: {
    what: "the server's memory is full",
    mend: "Raise maxmemory, keep fewer finished jobs (retention), or remove other keys; then call again.",
  },
  READONLY: {
    what: "the server is a replica, and takes no writes",
    mend: "It passes when a failover ends. Else connect to the primary, by Sentinel, or as a Cluster.",
  },
  MISCONF: {
    what: "the server cannot save to its disk, and takes no writes",
    mend: "Look at the server's log and its disk: INFO persistence says what failed.",
  },
  NOREPLICAS: {
    what: "the server has too few replicas, and takes no writes",
    mend: "See that its replicas are up; min-replicas-to-write says how many it wants.",
  },
  LOADING: { what: "the server is still loading its data" },
  MASTERDOWN: { what: "the server is a replica without its primary" },
  CLUSTERDOWN: {
    what: "the cluster does not serve all slots",
    mend: "See CLUSTER INFO; it passes when a failover ends.",
  },
  TRYAGAIN: { what: "the cluster is moving the store's keys" },
  MOVED: { what: "the store's keys are on another node", mend: "Connect to it as a Cluster." },
  ASK: { what: "the store's keys are being moved to another node", mend: "Connect to it as a Cluster." },
  BUSY: {
    what: "the server is busy with a script",
    mend: "See which one it is with SLOWLOG GET; one that has written nothing yet ends with SCRIPT KILL.",
  },
  NOAUTH: { what: "the server asks for a password" },
  WRONGPASS: { what: "the server refuses the user or the password" },
  NOPERM: {
    what: "the user lacks a right",
    mend: "ACL SETUSER name ~{prefix}:* &{prefix}:* +@all -@dangerous +info, with the engine's prefix.",
  },
};

/**
 * An error as one of the catalogue.
 * @param request what was called: with its answer lost, nobody knows what a write did
 */
export function translate(error: unknown, { what, writes }: Request): Error {
  if (error instanceof PunctualError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const cause = bare(error);
  const own = /PUNCTUAL ([A-Z]+) ?([^\n]*)/.exec(said);
  if (own !== null && refusalOf(error) !== undefined) return ofOurs(own[1] ?? "", own[2] ?? "", what, cause);
  const code = refusalOf(error);
  const refusal = code === undefined ? undefined : refusals[code];
  if (refusal !== undefined) {
    const { mend } = refusal;
    return new NotWrittenError(`${what}: ${refusal.what} (${said})`, {
      ...(mend === undefined ? {} : { mend }),
      cause,
    });
  }
  if (code === "WRONGTYPE") {
    return new StoreCorruptError(`${what}: a key of the store is of another type (${said})`, {
      mend: "Something else has written to it: give the store a prefix of its own, or restore a backup.",
      cause,
    });
  }
  const message = `${what}: ${said}`;
  const isRefused = said.includes("Script killed by user") || said.startsWith("Too many Cluster redirections");
  if (!writes || isRefused || isOfCluster(error) || wasNeverSent(error)) return new NotWrittenError(message, { cause });
  return new OutcomeUnknownError(message, { cause });
}

/** The cluster's nodes could not be asked for its slots: nothing was sent. */
function isOfCluster(error: unknown): boolean {
  return error instanceof Error && error.name === "ClusterAllFailedError";
}

/** A refusal by a script of ours: `PUNCTUAL <CODE> <text>`. */
function ofOurs(code: string, text: string, what: string, cause: unknown): Error {
  // Redis 7 names the script behind the text.
  const said = text.replace(/,? script: [0-9a-f]{40}.*$/, "");
  if (code === "EPOCH") return tooNew(cause);
  if (code === "CORRUPT") return new StoreCorruptError(`${what}: ${said}`, { mend: corruptMend, cause });
  return new NotWrittenError(`${what}: ${said}`, { cause });
}

const corruptMend = "Something else has written to the store's keys: look at them, or restore a backup.";

/** A version of Punctual that this one does not know has changed the store. */
export function tooNew(cause?: unknown): StoreTooNewError {
  return new StoreTooNewError("the store was changed by a newer version of Punctual, which older ones must not touch", {
    cause,
  });
}

/** Certificates that no waiting makes good. */
const ofCertificates =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

/** What is wrong with the way to the server, and will be the next time too; undefined for a server that is away. */
export function misconfigured(error: unknown): EngineNotConfiguredError | undefined {
  const said = error instanceof Error ? error.message : String(error);
  const refused = (what: string, mend: string) =>
    new EngineNotConfiguredError(`${what}: ${said}`, { field: "location", mend, cause: bare(error) });
  const code = refusalOf(error);
  if (code === "WRONGPASS" || said.includes("invalid password") || said.includes("invalid username-password")) {
    return refused(
      "the server refuses to let us in",
      "Check the user and the password of the URL; ACL LIST names the users.",
    );
  }
  if (code === "NOAUTH") {
    return refused(
      "the server asks for a password",
      "Write it into the URL: redis://:password@host, redis://user:password@host.",
    );
  }
  if (code === "NOPERM") return refused("the user lacks a right", refusals["NOPERM"]?.mend ?? "");
  const network = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  if (ofCertificates.test(network)) {
    return refused(
      "the server's certificate is not accepted",
      "Name its authority in NODE_EXTRA_CA_CERTS, or give an ioredis client of your own with tls options.",
    );
  }
  return undefined;
}

/** What opening cannot get past, however often it is tried: a right that is lacking, a server that takes no writes. */
export function atOpening(error: unknown): unknown {
  if (!(error instanceof NotWrittenError)) return error;
  const code = refusalOf(error.cause);
  if (code !== "NOPERM" && code !== "READONLY") return error;
  return new EngineNotConfiguredError(error.message, { field: "location", mend: error.mend, cause: error });
}
