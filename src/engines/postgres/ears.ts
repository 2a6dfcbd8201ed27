// Connections that listen: a `pg` client of our own, one that is kept from a user's pool, or PGlite.
import { Socket } from "node:net";
import type { ClientBase, ClientConfig, Pool as PgPool } from "pg";
import { defaults } from "../../core/defaults.ts";
import type { EarEvents, OpenEar } from "../../remote/listener.ts";
import { within } from "../../remote/within.ts";
import type { Pglite } from "./pglite.ts";
import { quoted } from "./sql.ts";

/** A server that hangs takes no leave; it is given this long, in ms. */
const leaveMs = 1_000;

type Driver = typeof import("pg");

/** A client of its own, which keeps no process alive. */
export function ownEar(driver: Driver, config: ClientConfig): OpenEar {
  return async (events) => {
    const socket = new Socket();
    const client = new driver.Client({
      ...config,
      stream: () => socket,
      connectionTimeoutMillis: defaults.postgres.connectTimeoutMs,
      application_name: "punctual listen",
    });
    report(client, events);
    await client.connect();
    socket.unref();
    return {
      listen: (channels) => listenOn(client, channels),
      close: async () => {
        await within(client.end(), leaveMs);
        socket.destroy();
      },
    };
  };
}

/** A client that is taken from a user's pool and kept. */
export function pooledEar(pool: PgPool): OpenEar {
  return async (events) => {
    const client = await pool.connect();
    let isReleased = false;
    report(client, events);
    return {
      listen: (channels) => listenOn(client, channels),
      // It listens and has our listeners: the pool makes another in its place.
      close: async () => {
        if (isReleased) return;
        isReleased = true;
        client.release(true);
      },
    };
  };
}

/** PGlite hears what its one session notifies, in the callers' transactions too. */
export function pgliteEar(pglite: Pglite): OpenEar {
  return async (events) => {
    const leave: (() => Promise<unknown>)[] = [];
    return {
      listen: async (channels) => {
        for (const channel of channels) {
          leave.push(await pglite.listen(quoted(channel), (payload) => events.heard(channel, payload)));
        }
      },
      close: async () => {
        await Promise.allSettled(leave.map((one) => one()));
      },
    };
  };
}

function report(client: ClientBase, { heard, lost }: EarEvents): void {
  client.on("error", lost);
  client.on("end", () => lost());
  client.on("notification", ({ channel, payload = "" }) => heard(channel, payload));
}

async function listenOn(client: ClientBase, channels: readonly string[]): Promise<void> {
  for (const channel of channels) {
    const listen = {
      text: `-- signals.listen\nLISTEN ${quoted(channel)}`,
      query_timeout: defaults.postgres.answerTimeoutMs,
    };
    await client.query(listen);
  }
}
