// The conformance suite on the Redis engine: a cluster of three. One handle is given a Cluster client of the user's, the other
// the URL of a node, which for most deployments is not the one that holds them.
import { Cluster } from "ioredis";
import { afterAll } from "vitest";
import { redis } from "../../src/engines/redis/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedRedisCluster } from "../servers/shared.ts";
import { openHarness } from "./harness.ts";

let users: Cluster | undefined;

afterAll(() => users?.disconnect());

runSuite("redis cluster of three", async () => {
  const { nodes, newDeployment } = await sharedRedisCluster();
  const [{ host, port } = { host: "", port: 0 }] = nodes;
  users ??= new Cluster([...nodes]);
  const client = users;
  return openHarness(
    { open: (options) => redis(client, options), other: (options) => redis(`redis://${host}:${port}`, options) },
    newDeployment,
  );
});
