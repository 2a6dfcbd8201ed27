// The conformance suite on the NATS engine: a cluster of three servers, each of which keeps the stream; the two handles ask
// the servers in other orders.
import { nats } from "../../src/engines/nats/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedNatsCluster } from "../servers/shared.ts";
import { type Deployments, makeStream, openHarness } from "./harness.ts";

let deployments: Promise<Deployments> | undefined;

runSuite("nats cluster, R3", async () => {
  const { urls, newDeployment } = await sharedNatsCluster();
  deployments ??= makeStream(urls.join(","), newDeployment(), { num_replicas: 3 });
  const mode = {
    open: (options: object) => nats([...urls], { ...options }),
    other: (options: object) => nats([...urls].reverse(), { ...options }),
  };
  return openHarness(mode, await deployments);
});
