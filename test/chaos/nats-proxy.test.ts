// The proxy and the wires of the NATS chaos proofs against a real server: what passes by half, whole, late, or not yet.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { HalvingProxy } from "../../scripts/proof/nats/proxy.ts";
import { Wire } from "../../scripts/proof/nats/wire.ts";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";

let server: NatsServer;
let admin: NatsConnection;
beforeAll(async () => {
  server = await startNats();
  admin = await connect({ servers: server.url });
}, 60_000);
beforeEach(async () => {
  const { streams } = await jetstreamManager(admin);
  await streams.add({ name: "NOTES", subjects: ["notes.>"] });
  onTestFinished(async () => {
    await streams.delete("NOTES");
  });
});
afterAll(async () => {
  await admin.close();
  await server.close();
});

async function subjects(): Promise<string[]> {
  const { streams } = await jetstreamManager(admin);
  const { state } = await streams.info("NOTES", { subjects_filter: ">" });
  return Object.keys(state.subjects ?? {}).toSorted();
}

async function proxied(): Promise<{ readonly proxy: HalvingProxy; readonly client: NatsConnection }> {
  const proxy = await HalvingProxy.before(server);
  onTestFinished(() => proxy.close());
  const client = await connect({ servers: proxy.url, reconnect: false });
  onTestFinished(() => client.close());
  return { proxy, client };
}

test("of a message that passes by half nothing is stored, and what came before it is", async () => {
  const { proxy, client } = await proxied();
  const notes = jetstream(client);
  const cut = proxy.cutNext("notes.halved", "request");
  const before = notes.publish("notes.before", "whole");
  const halved = notes.publish("notes.halved", "x".repeat(100_000));
  const after = notes.publish("notes.since", "whole");
  await expect(halved).rejects.toThrow();
  await expect(after).rejects.toThrow();
  await cut;
  await before.catch(() => {});
  await expect.poll(subjects).toEqual(["notes.before"]);
});

test("an answer that passes by half is of something done", async () => {
  const { proxy, client } = await proxied();
  await jetstream(client).publish("notes.first", "done");
  const cut = proxy.cutNext("notes.answered", "answer");
  await expect(jetstream(client).publish("notes.answered", "done")).rejects.toThrow();
  await cut;
  expect(await subjects()).toEqual(["notes.answered", "notes.first"]);
});

test("a delivery is cut by the subject that it was published to", async () => {
  const { proxy, client } = await proxied();
  const heard: string[] = [];
  client.subscribe("notes.>", { callback: (_error, { subject }) => void heard.push(subject) });
  await client.flush();
  const cut = proxy.cutNext("notes.cut", "delivery");
  admin.publish("notes.whole", "x");
  admin.publish("notes.cut", "x".repeat(10_000));
  await cut;
  await client.closed();
  expect(heard).toEqual(["notes.whole"]);
});

test("a request that is held back is stored when it is let through, its sender long gone", async () => {
  const { proxy, client } = await proxied();
  const holding = proxy.holdNext("notes.held");
  await expect(jetstream(client).publish("notes.held", "late")).rejects.toThrow();
  const held = await holding;
  await client.closed();
  expect(await subjects()).toEqual([]);
  await held.release();
  await expect.poll(subjects).toEqual(["notes.held"]);
});

test("messages of any content pass whole", async () => {
  const { client } = await proxied();
  const texts = Array.from({ length: 2_000 }, (_, n) => `PUB ${n}\r\nMSG é ${"x".repeat((n * 37) % 5_000)}\r\n`);
  const heard: string[] = [];
  client.subscribe("echo", { callback: (_error, message) => void heard.push(message.string()) });
  for (const text of texts) client.publish("echo", text);
  await client.flush();
  await expect.poll(() => heard.length).toBe(texts.length);
  expect(heard).toEqual(texts);
});

test("on a wire that is cut nothing passes and nobody is told; once it is mended, what was sent arrives", async () => {
  const wire = await Wire.to(server.port);
  onTestFinished(() => wire.close());
  const client = await connect({ servers: wire.address, reconnect: false });
  onTestFinished(() => client.close());
  wire.cut();
  const published = jetstream(client).publish("notes.sent", "x", { timeout: 60_000 });
  const isEarly = await Promise.race([published.then(() => true), sleep(300, false)]);
  expect(isEarly).toBe(false);
  expect(await subjects()).toEqual([]);
  expect(client.isClosed()).toBe(false);
  wire.mend();
  await published;
  expect(await subjects()).toEqual(["notes.sent"]);
});
