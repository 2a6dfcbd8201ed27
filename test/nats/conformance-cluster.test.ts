// The conformance suite on the NATS engine: a cluster of three servers, each of which keeps the stream; the two handles ask
// the servers in other orders.
import { vi } from "vitest";
import { nats } from "../../src/engines/nats/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedNatsCluster } from "../servers/shared.ts";
import { type Deployments, makeStream, openHarness } from "./harness.ts";

// On a busy machine the servers of nats-server 2.15 answer some writes only with their leader's next heartbeat, a second
// later, for a while: facts of many calls take longer then.
vi.setConfig({ testTimeout: 90_000 });

let deployments: Promise<Deployments> | undefined;

runSuite("nats cluster, R3", async () => {
  const { urls, newDeployment } = await sharedNatsCluster();
  deployments ??= makeStream(urls.join(","), newDeployment(), { num_replicas: 3 });
  const mode = {
    open: (options: object) => nats([...urls], { addJobRetryBudget: "45s", ...options }),
    other: (options: object) => nats([...urls].reverse(), { addJobRetryBudget: "45s", ...options }),
  };
  return openHarness(mode, await deployments);
});
