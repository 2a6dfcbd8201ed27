// NATS URLs, read strictly: what is not understood is refused rather than passed over. One text may name several servers.
import { InvalidInputError } from "../../core/errors.ts";

/** What the URLs of a location say, taken together. */
export interface ServerUrls {
  /** As "host:port", in the order they were named. */
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly pass: string | undefined;
  readonly token: string | undefined;
  /** The URLs ask for TLS; without, it is used where a server offers it. */
  readonly tls: boolean;
}

/** What the URLs must agree in: a client has one of each. */
type Access = Omit<ServerUrls, "servers">;

interface ServerUrl extends Access {
  readonly server: string;
}

const portDefault = 4222;
const example =
  "Write it as nats://user:password@host:4222, nats://token@host, tls:// for TLS, or nats://one:4222,two:4222 for a cluster; in a password, @ is %40, / %2F, : %3A, comma %2C, # %23 and % %25.";

/** @throws InvalidInputError, never with the text itself, which may hold a password */
export function readUrls(location: string | readonly string[]): ServerUrls {
  const texts = typeof location === "string" ? [location] : location;
  const urls = texts.flatMap(readText);
  const [first] = urls;
  if (first === undefined) throw refused("must name a server");
  const { server: _, ...access } = first;
  for (const url of urls) expectSame(access, url);
  return { ...access, servers: [...new Set(urls.map(({ server }) => server))] };
}

/** Servers behind commas; what the first one says of scheme and user holds for those that say nothing. */
function readText(text: string): ServerUrl[] {
  if (typeof text !== "string") throw refused("must be made of texts");
  const [first = "", ...others] = text.split(",").map((part) => part.trim());
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(first)?.[0] ?? "";
  const user = first.slice(scheme.length, scheme.length + first.slice(scheme.length).lastIndexOf("@") + 1);
  const complete = (part: string) => {
    if (part.includes("://")) return part;
    return part.includes("@") ? scheme + part : scheme + user + part;
  };
  return [first, ...others.map(complete)].map(readOne);
}

function readOne(text: string): ServerUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused("must be a URL that can be read; its password may hold what is to be escaped");
  if (url.protocol === "ws:" || url.protocol === "wss:") {
    throw refused(
      "is a WebSocket's URL, which the engine does not open",
      "Use nats: or tls:, or give a connection of your own: nats(await wsconnect({ servers })).",
    );
  }
  if (url.protocol !== "nats:" && url.protocol !== "tls:") {
    throw refused(`must be a nats: or tls: URL, got ${url.protocol}`);
  }
  if (url.hostname === "") throw refused("must name a host");
  if (url.search !== "" || url.hash !== "") {
    throw refused("must be a URL without parameters", "Options are given in code: nats(url, { user, tls, creds }).");
  }
  if (url.pathname !== "" && url.pathname !== "/") throw refused("must be a URL without a path");
  const name = decoded(url.username);
  const pass = decoded(url.password);
  if (name === undefined && pass !== undefined) throw refused("has a password and no user");
  return {
    server: `${url.hostname}:${url.port === "" ? portDefault : url.port}`,
    user: pass === undefined ? undefined : name,
    pass,
    // A name that stands alone is a token, as in every NATS client.
    token: pass === undefined ? name : undefined,
    tls: url.protocol === "tls:",
  };
}

function expectSame(access: Access, url: ServerUrl): void {
  const names = ["user", "pass", "token", "tls"] as const;
  if (names.every((name) => access[name] === url[name])) return;
  throw refused("names servers with different users, passwords or schemes: a client has one of each");
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
