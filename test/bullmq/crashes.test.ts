// Real processes, killed with `kill -9`: the deliverer, and BullMQ's worker. scripts/proof/bullmq-deliveries.ts asks the same of
// 2,000 deliveries.
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { playDeliveries } from "../../scripts/proof/bullmq/deliveries.ts";
import { sharedRedis } from "../servers/shared.ts";
import { newFolder } from "./stage.ts";

vi.setConfig({ testTimeout: 120_000 });

test("A15 J1 every delivery ends once here, as it did at BullMQ, though deliverer and worker are killed", async () => {
  const { url, newDeployment } = await sharedRedis();
  const places = { store: `sqlite:${join(newFolder(), "store.db")}`, redis: url, queue: newDeployment() };
  const outcome = await playDeliveries(places, { jobs: 100, killsOfEach: 1 });
  expect(outcome.shortcomings).toEqual([]);
  expect([outcome.completed, outcome.failed]).toEqual([90, 10]);
  expect(outcome.foundAgain).toBeGreaterThan(0);
});
