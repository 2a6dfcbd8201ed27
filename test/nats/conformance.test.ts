// The conformance suite on the NATS engine: one server with file storage, two handles in one process.
import { runSuite } from "../engines/run-suite.ts";
import { sharedNats } from "../servers/shared.ts";
import { type Deployments, makeStream, onUrl, openHarness } from "./harness.ts";

let deployments: Promise<Deployments> | undefined;

runSuite("nats", async () => {
  const { url, newDeployment } = await sharedNats();
  deployments ??= makeStream(url, newDeployment());
  return openHarness(onUrl(url), await deployments);
});
