// A Redis URL, read strictly: what is not understood is refused rather than passed over.
import { InvalidInputError } from "../../core/errors.ts";

/** The parts of a URL. */
export interface ServerUrl {
  readonly host: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The database; 0 where the URL names none. */
  readonly db: number;
  readonly tls: boolean;
}

const example =
  "Write it as redis://user:password@host:6379/0, or rediss:// for TLS; in the password, @ is %40, / %2F, # %23 and % %25.";

/** @throws InvalidInputError, never with the URL itself, which may hold a password */
export function readUrl(text: string): ServerUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused("must be a URL that can be read; its password may hold what is to be escaped");
  if (!["redis:", "rediss:", "valkey:"].includes(url.protocol)) {
    throw refused(`must be a redis:, rediss: or valkey: URL, got ${url.protocol}`);
  }
  if (url.hostname === "") throw refused("must name a host");
  if (url.search !== "" || url.hash !== "") {
    throw refused(
      "must be a URL without parameters",
      "Options of the connection are given by an ioredis client of your own: redis(new Redis({ ... })).",
    );
  }
  const [, db = "0"] = /^\/?(\d*)$/.exec(url.pathname) ?? [];
  if (!/^\/?\d{0,5}$/.test(url.pathname)) throw refused("must have the database's number, or nothing, as its path");
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 6379 : Number(url.port),
    username: decoded(url.username),
    password: decoded(url.password),
    db: Number(db),
    tls: url.protocol === "rediss:",
  };
}

function decoded(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw refused("must be a URL that can be read; its password may hold what is to be escaped");
  }
}

function refused(why: string, mend = example): InvalidInputError {
  return new InvalidInputError(`location ${why}`, { field: "location", mend });
}
