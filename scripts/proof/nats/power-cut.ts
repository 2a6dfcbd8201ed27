// A server that loses its power, as far as its files go: what was written after some instant is gone. A server that is only
// killed loses nothing: what it has written is the operating system's.
import { execFileSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { NatsServer } from "../../services/nats.ts";

function placesIn({ directory }: NatsServer): { readonly data: string; readonly synced: string } {
  return { data: join(directory, "data"), synced: join(directory, "synced") };
}

/** From here on nothing is synced: what the server writes will be lost. */
export async function stopSyncing(server: NatsServer): Promise<void> {
  const { data, synced } = placesIn(server);
  await server.pause();
  // With their owner: the server may run as another user.
  execFileSync("cp", ["-a", data, synced]);
  server.resume();
}

/** Ends the server, and leaves what it had synced; `start` begins with that. */
export async function cutPower(server: NatsServer): Promise<void> {
  const { data, synced } = placesIn(server);
  await server.kill();
  rmSync(data, { recursive: true });
  renameSync(synced, data);
}
