// The NATS servers of a run: private, with JetStream on files. Each store has one of its own: it starts in a moment, and what it
// holds in memory is then the store's alone.
import { setTimeout as sleep } from "node:timers/promises";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { freePort } from "../../scripts/services/server-home.ts";
import { cpuMsOfTree, residentBytesOf } from "./process-costs.ts";
import type { NatsSync, Store } from "./server.ts";

/** Connections that have been closed are gone within this, in ms. */
const settlesWithinMs = 10_000;

const servers = new Set<NatsServer>();

interface Monitored {
  readonly connections: number;
  /** What clients have sent. */
  readonly in_msgs: number;
}

async function monitored(server: NatsServer): Promise<Monitored> {
  return (await server.monitor("/varz")) as Monitored;
}

/** What all streams keep on files. */
async function storedBytes(server: NatsServer): Promise<number> {
  const { storage } = (await server.monitor("/jsz")) as { readonly storage: number };
  return storage;
}

/** What is in use after a collection. A server that has just let go of much keeps it, and RAM tells little. */
async function liveBytes(profiles: string): Promise<number> {
  const answer = await fetch(`${profiles}/debug/pprof/heap?gc=1&debug=1`);
  const [, bytes] = /^# HeapAlloc = (\d+)$/m.exec(await answer.text()) ?? [];
  return Number(bytes);
}

/** An empty store on a server of its own. */
export async function createNatsStore(sync: NatsSync): Promise<Store> {
  const port = await freePort();
  const server = await startNats({
    inMemory: false,
    settings: { prof_port: port },
    ...(sync === "always" ? { syncInterval: "always" } : {}),
  });
  servers.add(server);
  const profiles = `http://${server.host}:${port}`;
  // Told as of the last time that all were gone: a collection is not to fall into what is measured.
  let memoryBytes = await liveBytes(profiles);
  return {
    url: server.url,
    read: async () => ({
      cpuMs: cpuMsOfTree(server.pid),
      messages: (await monitored(server)).in_msgs,
      storedBytes: await storedBytes(server),
      residentBytes: residentBytesOf(server.pid),
      memoryBytes,
    }),
    settled: async () => {
      const until = performance.now() + settlesWithinMs;
      while ((await monitored(server)).connections > 0 && performance.now() < until) await sleep(10);
      memoryBytes = await liveBytes(profiles);
    },
    drop: async () => {
      servers.delete(server);
      await server.close();
    },
  };
}

/** Ends the servers that are left. */
export async function closeNats(): Promise<void> {
  await Promise.all([...servers].map((server) => server.close()));
  servers.clear();
}
