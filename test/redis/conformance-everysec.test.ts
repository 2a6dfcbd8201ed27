// The conformance suite on the Redis engine: a server that keeps an append-only file, synced each second. Here the
// server's settings are in order too, and must be told so.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { onUrl, openHarness } from "./harness.ts";

let server: RedisServer;
let deployments = 0;

beforeAll(async () => {
  server = await startRedis({ durability: "everysec" });
}, 60_000);

afterAll(() => server.close());

const newDeployment = () => `everysec-${deployments++}`;

runSuite("redis 7, appendfsync everysec", () => openHarness(onUrl(server.url), newDeployment));

test("O5 of a store on such a server nothing at all is a problem or a warning", async () => {
  const engine = redis(server.url, { prefix: newDeployment() });
  await engine.open();
  try {
    const findings = await engine.inspection.findings();
    expect(findings.find(({ check }) => check === "settings")?.what).toContain("appendfsync everysec");
    expect(findings.filter(({ status }) => status !== "ok")).toEqual([]);
  } finally {
    await engine.close();
  }
});
