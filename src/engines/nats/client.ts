// The NATS client: its packages, loaded when they are needed, and the options that every connection of ours has.
import type { Authenticator, NodeConnectionOptions } from "@nats-io/transport-node";
import { defaults } from "../../core/defaults.ts";
import { EngineNotConfiguredError, InvalidInputError } from "../../core/errors.ts";
import { type AccessOptions, readCreds } from "./access.ts";
import type { ServerUrls } from "./url.ts";

/** What is used of the client's packages. */
export type Driver = Pick<
  typeof import("@nats-io/transport-node"),
  "connect" | "headers" | "createInbox" | "credsAuthenticator" | "nkeyAuthenticator"
> &
  Pick<typeof import("@nats-io/jetstream"), "jetstreamManager">;

/** @throws InvalidInputError for a seed or credentials that cannot be read, without them */
export function clientOptions(driver: Driver, urls: ServerUrls, access: AccessOptions): NodeConnectionOptions {
  const { reconnectMs, reconnectMsJitter, pingMs } = defaults.nats;
  const { user = urls.user, pass = urls.pass, token = urls.token, tls = urls.tls ? {} : undefined } = access;
  const authenticator = authenticatorOf(driver, access);
  return {
    servers: [...urls.servers],
    name: access.name ?? "punctual",
    maxReconnectAttempts: -1,
    // A user that is refused for a while, as while the server's users are changed, is let in again.
    ignoreAuthErrorAbort: true,
    waitOnFirstConnect: false,
    reconnectTimeWait: reconnectMs,
    reconnectJitter: reconnectMsJitter,
    reconnectJitterTLS: reconnectMsJitter,
    pingInterval: pingMs,
    maxPingOut: 2,
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
    ...(access.inboxPrefix === undefined ? {} : { inboxPrefix: access.inboxPrefix }),
    ...(authenticator === undefined ? {} : { authenticator }),
  };
}

function authenticatorOf(driver: Driver, { seed, creds }: AccessOptions): Authenticator | undefined {
  if (seed !== undefined) {
    const authenticator = driver.nkeyAuthenticator(new TextEncoder().encode(seed));
    return tried(authenticator, "seed", 'must be the seed of an nkey, as "SU..."');
  }
  if (creds === undefined) return undefined;
  let last: Authenticator | undefined;
  const fresh: Authenticator = (nonce) => {
    const next = driver.credsAuthenticator(readCreds(creds));
    const answer = next(nonce);
    last = next;
    return answer;
  };
  tried(fresh, "creds", "must be the text of a credentials file, or the path of one");
  return (nonce) => {
    try {
      return fresh(nonce);
    } catch (error) {
      // A file that is just being replaced must not end the connection for good.
      if (last === undefined) throw error;
      return last(nonce);
    }
  };
}

function tried(authenticator: Authenticator, field: string, what: string): Authenticator {
  try {
    authenticator("nonce");
  } catch {
    throw new InvalidInputError(`${field} ${what}`, { field });
  }
  return authenticator;
}

/** @throws EngineNotConfiguredError where they are not installed */
export async function loadDriver(): Promise<Driver> {
  try {
    const [transport, jetstream] = await Promise.all([import("@nats-io/transport-node"), import("@nats-io/jetstream")]);
    return { ...whole(transport, "connect"), ...whole(jetstream, "jetstreamManager") };
  } catch (error) {
    throw new EngineNotConfiguredError(
      "the nats engine needs the packages @nats-io/transport-node and @nats-io/jetstream",
      {
        mend: "Install them: npm install @nats-io/transport-node @nats-io/jetstream.",
        cause: error,
      },
    );
  }
}

/** What `require` gives stands under `default` in some bundles. */
function whole<Module extends object>(loaded: Module, name: keyof Module): Module {
  if (loaded[name] !== undefined) return loaded;
  return (loaded as unknown as { readonly default: Module }).default;
}
