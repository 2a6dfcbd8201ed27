// The ways to a NATS server: URLs, or an open connection of the user's, which is used and never closed. What is opened here
// connects anew for ever, and is closed here.
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection, NodeConnectionOptions, Status } from "@nats-io/transport-node";
import { defaults } from "../../core/defaults.ts";
import { formatDuration } from "../../core/duration.ts";
import { EngineNotConfiguredError, NotWrittenError } from "../../core/errors.ts";
import { within } from "../../remote/within.ts";
import type { AccessOptions } from "./access.ts";
import { clientOptions, type Driver, loadDriver } from "./client.ts";
import { bare, misconfigured } from "./faults.ts";
import { Leaving } from "./leaving.ts";
import type { Location } from "./location.ts";
import type { StartupTimes } from "./options.ts";
import { readUrls } from "./url.ts";

/** Where to connect, and how. */
export interface ConnectOptions {
  readonly location: Location;
  readonly access: AccessOptions;
  /** Of JetStream, where it is not the server's own. */
  readonly domain: string | undefined;
  readonly startup: Pick<StartupTimes, "connectMs">;
}

/** What becomes of a connection once it is open. */
export type Turn = "lost" | "back" | "closed";

/** An open way to the server. */
export interface Way {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  /** The client's packages, which are loaded when they are needed. */
  readonly driver: Driver;
  /** Ours, so that `close` closes it. */
  readonly owned: boolean;
  /** Of the subjects for answers: `driver.createInbox(inboxPrefix)`. */
  readonly inboxPrefix: string | undefined;
  /** Tells when the connection is lost, back, or closed for good, until the answer is called. A request's answer is lost with it. */
  watch(listener: (turn: Turn) => void): () => void;
  /** A request was answered. */
  answered(): void;
  /** A request was not, or only with "unavailable". After several in a row a connection of ours goes to another server. */
  unanswered(): void;
  close(): Promise<void>;
}

/** A server that hangs takes no leave; it is given this long, in ms. */
const leaveMs = 2_000;
/**
 * Connects.
 * @throws NotWrittenError when no server can be reached, EngineNotConfiguredError without the client's packages, and when the
 * server cannot be reached in this way at all: a user, password or certificate that is wrong
 */
export async function connect({ location, access, domain, startup }: ConnectOptions): Promise<Way> {
  const driver = await loadDriver();
  if (typeof location !== "string" && !Array.isArray(location)) {
    return await wayOf(driver, usersConnection(location as NatsConnection), undefined, domain);
  }
  const urls = readUrls(location as string | readonly string[]);
  const leaving = new Leaving();
  const options = { ...clientOptions(driver, urls, access), reconnectToServer: leaving.choose };
  return await wayOf(driver, await opened(driver, options, startup.connectMs), leaving, domain);
}

function usersConnection(nc: NatsConnection): NatsConnection {
  if (!nc.isClosed() && !nc.isDraining()) return nc;
  throw new EngineNotConfiguredError("the connection is closed", {
    field: "location",
    mend: "Give one that is open, and close it after the scheduler.",
  });
}

/** @param leaving of a connection of ours */
async function wayOf(
  driver: Driver,
  nc: NatsConnection,
  leaving: Leaving | undefined,
  domain: string | undefined,
): Promise<Way> {
  const { options } = nc as unknown as { readonly options?: { readonly inboxPrefix?: string } };
  const timeout = defaults.nats.answerTimeoutMs;
  const stops = new Set<() => void>();
  return {
    nc,
    jsm: await driver.jetstreamManager(nc, { timeout, checkAPI: false, ...(domain === undefined ? {} : { domain }) }),
    driver,
    owned: leaving !== undefined,
    inboxPrefix: options?.inboxPrefix,
    watch: (listener) => {
      const stop = watched(nc, listener);
      stops.add(stop);
      return () => {
        stops.delete(stop);
        stop();
      };
    },
    answered: () => leaving?.answered(),
    unanswered: () => leaving?.unanswered(nc),
    close: async () => {
      for (const stop of stops) stop();
      if (leaving !== undefined) await hungUp(nc);
    },
  };
}

/** The turns of a connection. The client's list of them ends by itself when the connection is closed. */
function watched(nc: NatsConnection, listener: (turn: Turn) => void): () => void {
  const list = nc.status() as AsyncIterable<Status> & { stop?(): void };
  let isOver = false;
  const tell = (turn: Turn) => {
    if (!isOver) listener(turn);
  };
  const follow = async () => {
    for await (const { type } of list) {
      if (type === "disconnect") tell("lost");
      if (type === "reconnect") tell("back");
    }
  };
  follow().catch(() => {});
  void nc.closed().then(() => tell("closed"));
  return () => {
    isOver = true;
    list.stop?.();
  };
}

async function hungUp(nc: NatsConnection): Promise<void> {
  await within(nc.close(), leaveMs);
  // A client that is just connecting to a server that hangs would keep its socket, and the process.
  const { protocol } = nc as unknown as { readonly protocol?: { readonly transport?: { discard?(): void } } };
  protocol?.transport?.discard?.();
}

/** Resolves with the first connection; one that comes too late is closed. */
async function opened(driver: Driver, options: NodeConnectionOptions, connectMs: number): Promise<NatsConnection> {
  const timeout = Math.min(defaults.nats.connectTimeoutMs, connectMs);
  const opening = driver.connect({ ...options, timeout });
  let nc: NatsConnection | undefined;
  try {
    if (await within(opening, connectMs)) nc = await opening;
  } catch (error) {
    throw misconfigured(error) ?? unreachable(error, timeout);
  }
  if (nc !== undefined) return nc;
  opening.then(hungUp, () => {});
  throw new NotWrittenError(`no connection to the server within ${formatDuration(connectMs)}`);
}

function unreachable(error: unknown, timeout: number): NotWrittenError {
  const said = error instanceof Error ? error.message : String(error);
  const why = error instanceof Error && error.name === "TimeoutError" ? `no answer within ${timeout} ms` : said;
  return new NotWrittenError(`no connection to the server: ${why}`, { cause: bare(error) });
}
