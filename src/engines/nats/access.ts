// How a process shows a NATS server who it is: a user, a token, a key or credentials, and TLS. Checked before anything is
// connected; no message holds a secret.
import { readFileSync } from "node:fs";
import { shown } from "../../core/duration.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/options.ts";

/** TLS of the connection, as the client takes it; texts are PEM. */
export interface TlsAccess {
  readonly ca?: string;
  readonly caFile?: string;
  readonly cert?: string;
  readonly certFile?: string;
  readonly key?: string;
  readonly keyFile?: string;
  /** TLS from the first byte, where the server is set up for it. */
  readonly handshakeFirst?: boolean;
  /** False accepts any certificate: for tests. */
  readonly rejectUnauthorized?: boolean;
}

/** Of the connection that is opened for a URL; without a meaning for a connection of your own. */
export interface AccessOptions {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** The seed of an nkey ("SU..."). */
  readonly seed?: string;
  /** The text of a credentials file, or its path, which is read again whenever the connection is made anew. */
  readonly creds?: string;
  /** Given, if empty, TLS is required. */
  readonly tls?: TlsAccess;
  /** By which the server's monitoring shows the connection; "punctual" by default. */
  readonly name?: string;
  /** Of the subjects for answers, for users that may not use "_INBOX". */
  readonly inboxPrefix?: string;
}

const texts = ["user", "pass", "token", "seed", "creds", "name", "inboxPrefix"] as const;
const secrets: readonly string[] = ["pass", "token", "seed", "creds"];
const tlsTexts = ["ca", "caFile", "cert", "certFile", "key", "keyFile"] as const;
const tlsFlags = ["handshakeFirst", "rejectUnauthorized"] as const;

/** The names of these options. */
export const accessNames = [...texts, "tls"] as const;

/** Those of the options that are given. @throws InvalidInputError, without a secret */
export function checkAccess(options: AccessOptions): AccessOptions {
  const given: Record<string, unknown> = {};
  for (const name of texts) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (typeof value !== "string" || value === "") {
      const got = secrets.includes(name) ? "something else" : shown(value);
      throw new InvalidInputError(`${name} must be a text, got ${got}`, { field: name });
    }
    given[name] = value;
  }
  if (given["pass"] !== undefined && given["user"] === undefined) {
    throw new InvalidInputError("pass needs a user", { field: "pass" });
  }
  const ways = ["user", "token", "seed", "creds"].filter((name) => given[name] !== undefined);
  if (ways.length > 1) {
    throw new InvalidInputError(`${ways.join(" and ")} exclude each other`, { field: ways[1] ?? "user" });
  }
  if (options.inboxPrefix !== undefined) checkInbox(options.inboxPrefix);
  if (options.tls !== undefined) given["tls"] = checkTls(options.tls);
  return given;
}

function checkInbox(prefix: string): void {
  if (/^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(prefix)) return;
  throw new InvalidInputError(`inboxPrefix must be a subject, got ${shown(prefix)}`, { field: "inboxPrefix" });
}

function checkTls(tls: TlsAccess): TlsAccess {
  refuseUnknown(tls, [...tlsTexts, ...tlsFlags], "tls");
  for (const name of [...tlsTexts, ...tlsFlags]) {
    const value: unknown = tls[name];
    const wanted = (tlsFlags as readonly string[]).includes(name) ? "boolean" : "string";
    if (value === undefined || typeof value === wanted) continue;
    throw new InvalidInputError(`tls.${name} must be a ${wanted === "string" ? "text" : "true or false"}`, {
      field: `tls.${name}`,
    });
  }
  return { ...tls };
}

/** The text of credentials, or the file's as it is now. */
export function readCreds(creds: string): Uint8Array {
  return creds.includes("-----BEGIN") ? new TextEncoder().encode(creds) : readFileSync(creds);
}
