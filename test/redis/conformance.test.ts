// The conformance suite on the Redis engine: Redis 7, two handles in one process.
import { runSuite } from "../engines/run-suite.ts";
import { sharedRedis } from "../servers/shared.ts";
import { onUrl, openHarness } from "./harness.ts";

runSuite("redis 7", async () => {
  const { url, newDeployment } = await sharedRedis();
  return openHarness(onUrl(url), newDeployment);
});
