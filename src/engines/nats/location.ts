// Where a NATS store lies: URLs, or an open connection of the user's. Judged before anything is connected.
import type { NatsConnection } from "@nats-io/transport-node";
import { shown } from "../../core/duration.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { type AccessOptions, accessNames } from "./access.ts";
import { readUrls, type ServerUrls } from "./url.ts";

/**
 * A `nats:` or `tls:` URL, with several hosts behind commas for a cluster; several URLs; or an open connection of your own, of
 * any transport.
 */
export type Location = string | readonly string[] | NatsConnection;

/** @throws InvalidInputError, naming the field, for what is no location, or has options that it cannot use */
export function checkLocation(location: unknown, access: AccessOptions = {}): void {
  if (typeof location === "string" || Array.isArray(location)) {
    checkAgree(readUrls(location), access);
    return;
  }
  if (!isConnection(location)) {
    throw new InvalidInputError(`location must be a URL, several, or a NatsConnection, got ${shown(location)}`, {
      field: "location",
    });
  }
  const name = accessNames.find((one) => access[one] !== undefined);
  if (name === undefined) return;
  throw new InvalidInputError(`${name} has no meaning with a connection of your own`, { field: name });
}

function isConnection(location: unknown): location is NatsConnection {
  if (typeof location !== "object" || location === null) return false;
  return ["request", "publish", "subscribe", "status", "isClosed"].every((name) => {
    return typeof (location as Readonly<Record<string, unknown>>)[name] === "function";
  });
}

/** Two users would leave it open which one is meant. */
function checkAgree({ user, token }: ServerUrls, access: AccessOptions): void {
  if (user === undefined && token === undefined) return;
  const twice = (["user", "token", "seed", "creds"] as const).find((name) => access[name] !== undefined);
  if (twice === undefined) return;
  throw new InvalidInputError(`${twice} is given although the URL names a ${user === undefined ? "token" : "user"}`, {
    field: twice,
  });
}
