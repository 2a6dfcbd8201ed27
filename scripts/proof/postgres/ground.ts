// The ground of chaos on PostgreSQL: a database of its own on a private server, and a proxy before it.
import type { PostgresServer } from "../../services/postgres.ts";
import type { Ground, GroundOptions } from "../chaos/ground.ts";
import { keepsAll } from "../chaos/load.ts";
import { engineAt } from "../chaos/place.ts";
import { CuttingProxy } from "./proxy.ts";

export interface PostgresGround extends Ground {
  readonly server: PostgresServer;
  readonly proxy: CuttingProxy;
}

export async function postgresGround(
  server: PostgresServer,
  { audit, throughProxy }: GroundOptions,
): Promise<PostgresGround> {
  const url = await server.newDatabase();
  const proxy = await CuttingProxy.before(url);
  return {
    server,
    proxy,
    engine: await engineAt({ url }, { retention: keepsAll, audit }),
    place: { url: throughProxy ? proxy.urlFor(url) : url },
    close: () => proxy.close(),
  };
}
