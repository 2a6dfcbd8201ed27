// The conformance suite on the Redis engine: one server, two processes. The primary handle's calls are made by both in turn,
// so that each fact is carried by both.
import { afterAll } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { HistoryOptions } from "../../src/core/history.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { alternating, RemoteProcess, remoteEngine } from "../engines/remote-process.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedRedis } from "../servers/shared.ts";

const remote = new RemoteProcess();
afterAll(() => remote.end());

runSuite("redis 7 in two processes", async () => {
  const { url, newDeployment } = await sharedRedis();
  const clock = new TestClock();
  const opened: Engine[] = [];
  const openBoth = async (options: HistoryOptions = {}) => {
    const prefix = newDeployment();
    const here = redis(url, { clock, prefix, ...options });
    const there = remoteEngine(remote, `${url}#${prefix}`, clock, here, options);
    opened.push(here, there);
    await Promise.all([here.open(), there.open()]);
    return { engine: alternating(here, there), other: there };
  };
  return {
    ...(await openBoth()),
    clock,
    openWith: async (options) => (await openBoth(options)).engine,
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
});
