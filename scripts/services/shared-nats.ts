// A NATS server that many tests share, each with streams and subjects of its own: the one that the environment names, else a
// private one.
import { randomBytes } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { startNats } from "./nats.ts";

export interface SharedNats {
  readonly url: string;
  /** As in "2.15.1". */
  readonly version: string;
  /** What the names of all streams and subjects of this run begin with. */
  readonly deployments: string;
  /** Removes those streams, or the server where it is private. */
  close(): Promise<void>;
}

const variable = "PUNCTUAL_TEST_NATS_URL";

async function connectTo(url: string): Promise<NatsConnection> {
  const { host, username, password } = new URL(url);
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const login = pass === "" ? { token: user } : { user, pass };
  return await connect({ servers: host, reconnect: false, ...(user !== "" && login) });
}

async function removeStreams(url: string, prefix: string): Promise<void> {
  const connection = await connectTo(url);
  try {
    const { streams } = await jetstreamManager(connection);
    for await (const name of streams.names()) if (name.startsWith(prefix)) await streams.delete(name);
  } finally {
    await connection.close();
  }
}

async function givenNats(url: string): Promise<SharedNats> {
  const connection = await connectTo(url).catch((error: unknown) => {
    throw new Error(`${variable} names a server that does not answer: start it, or unset the variable`, {
      cause: error,
    });
  });
  const { version = "", jetstream = false } = connection.info ?? {};
  await connection.close();
  if (!jetstream) throw new Error(`${variable} names a server without JetStream: start it with -js`);
  const deployments = newDeployments();
  return { url, version, deployments, close: () => removeStreams(url, deployments) };
}

function newDeployments(): string {
  return `test-${randomBytes(6).toString("hex")}`;
}

/** Fails with what to do where there is no such server. */
export async function findNats(): Promise<SharedNats> {
  const given = process.env[variable];
  if (given !== undefined && given !== "") return await givenNats(given);
  const server = await startNats();
  const { url, version } = server;
  return { url, version, deployments: newDeployments(), close: () => server.close() };
}
