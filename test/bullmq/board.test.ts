// Bull Board, the real one in a real browser, shows the jobs that Punctual delivered: people who look at BullMQ's queues with it
// go on doing so. PUNCTUAL_TEST_SCREENSHOT names a file for what the browser saw.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { HonoAdapter } from "@bull-board/hono";
import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import type { Queue } from "bullmq";
import { Hono } from "hono";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startChromium } from "../../scripts/services/chromium.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { task } from "../../src/index.ts";
import { ended, eventually, openEnds, started } from "./stage.ts";

let browser: Awaited<ReturnType<typeof startChromium>>;
beforeAll(async () => {
  browser = await startChromium();
}, 120_000);
afterAll(() => browser?.close());

/** Bull Board as its documentation has it; answers its address. */
async function openBoard(queue: Queue): Promise<string> {
  const serverAdapter = new HonoAdapter(serveStatic);
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter });
  serverAdapter.setBasePath("/board");
  const app = new Hono();
  app.route("/board", serverAdapter.registerPlugin());
  const server = await new Promise<Server>((resolve) => {
    const listening = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(listening as Server));
  });
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/board`;
}

test("A15 Bull Board lists what Punctual delivered: what waits, what came of it, and why it failed", async () => {
  const { ours, queue, worker, name } = await openEnds();
  const sendReport = task<{ account: string }>("send-report", { queue: "reports", retry: { attempts: 1 } });
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const accounts = ["acme", "globex", "initech"];
  const delivered = new Map<string, string>();
  for (const account of accounts) {
    delivered.set(account, (await scheduler.enqueue(sendReport, { account }, { priority: "high" })).id);
  }
  await eventually(() => queue.getPrioritizedCount()).toBe(3);
  const page = await browser.newPage({ viewport: { width: 1_280, height: 1_000 } });
  onTestFinished(() => page.close());
  const board = await openBoard(queue);
  await page.goto(`${board}/queue/${name}?status=prioritized`);
  for (const account of accounts) {
    const id = delivered.get(account) ?? "";
    await page.getByText(`punctual-${id}`).first().waitFor();
  }
  expect(await page.getByText("send-report").count()).toBeGreaterThanOrEqual(3);

  worker(async (job) => {
    if (job.data.account === "globex") throw new Error("no address on file");
    return `sent to ${job.data.account}`;
  });
  for (const id of delivered.values()) await ended(scheduler, id);
  await page.goto(`${board}/queue/${name}?status=completed`);
  await page
    .getByText(`punctual-${delivered.get("acme")}`)
    .first()
    .waitFor();
  expect(await page.getByText(`punctual-${delivered.get("globex")}`).count()).toBe(0);
  await page.goto(`${board}/queue/${name}?status=failed`);
  await page
    .getByText(`punctual-${delivered.get("globex")}`)
    .first()
    .waitFor();
  await page.getByText("no address on file").first().waitFor();
  const screenshot = process.env["PUNCTUAL_TEST_SCREENSHOT"];
  if (screenshot !== undefined) await page.screenshot({ path: screenshot });
  const globex = await scheduler.jobs.get(delivered.get("globex") ?? "");
  expect(globex).toMatchObject({ state: "failed", reason: "no address on file" });
}, 120_000);
