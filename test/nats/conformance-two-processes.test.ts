// The conformance suite on the NATS engine: one server, two processes. The primary handle's calls are made by both in turn,
// so that each fact is carried by both.
import { afterAll } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { HistoryOptions } from "../../src/core/history.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { alternating, RemoteProcess, remoteEngine } from "../engines/remote-process.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedNats } from "../servers/shared.ts";
import { type Deployments, makeStream } from "./harness.ts";

const remote = new RemoteProcess();
afterAll(() => remote.end());

let deployments: Promise<Deployments> | undefined;

runSuite("nats in two processes", async () => {
  const { url, newDeployment } = await sharedNats();
  deployments ??= makeStream(url, newDeployment());
  const { stream, newPrefix } = await deployments;
  const clock = new TestClock();
  const opened: Engine[] = [];
  const openBoth = async (options: HistoryOptions = {}) => {
    const prefix = newPrefix();
    const here = nats(url, { clock, stream, prefix, ...options });
    const there = remoteEngine(remote, `${url}#${stream}/${prefix}`, clock, here, options);
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
