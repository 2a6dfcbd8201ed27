// The conformance suite on the Redis engine: Valkey, two handles in one process.
import { runSuite } from "../engines/run-suite.ts";
import { sharedRedis } from "../servers/shared.ts";
import { onUrl, openHarness } from "./harness.ts";

runSuite("valkey", async () => {
  const { url, newDeployment } = await sharedRedis("valkey");
  return openHarness(onUrl(url), newDeployment);
});
