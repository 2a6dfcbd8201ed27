// A journal that goes back in time, as by a loss of power, under processes that follow it and go on calling.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { untilAnswered } from "../../scripts/proof/chaos/load.ts";
import { cutPower, stopSyncing } from "../../scripts/proof/nats/power-cut.ts";
import { HalvingProxy } from "../../scripts/proof/nats/proxy.ts";
import { itemsOf } from "../../scripts/proof/nats/worlds.ts";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { defaults } from "../../src/core/defaults.ts";
import type { Engine } from "../../src/core/engine.ts";
import { isPunctualError } from "../../src/core/errors.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { claimRequest, newJob } from "../../src/testing/conformance/builders.ts";

/** Calls go on so long after the server is back, in ms. */
const callsMs = 2_000;

async function opened(url: string): Promise<Engine> {
  const engine = nats(url);
  onTestFinished(() => engine.close());
  await engine.open();
  return engine;
}

/** Calls without a pause until an instant; answers the jobs whose insert was acknowledged. */
async function callUntil(engine: Engine, until: number): Promise<string[]> {
  const inserted: string[] = [];
  while (performance.now() < until) {
    const job = newJob();
    const calls = [
      engine.jobs.insert([{ jobs: [job] }]).then(() => void inserted.push(job.id)),
      engine.jobs.claim(claimRequest({ limit: 1, starts: 1 })),
      engine.jobs.stats({}),
      engine.now(),
    ];
    for (const { status, ...result } of await Promise.allSettled(calls)) {
      // It may be told that the store is away, and nothing else.
      if (status === "rejected" && "reason" in result && !isPunctualError(result.reason)) throw result.reason;
    }
    await sleep(1);
  }
  return inserted;
}

/** What was given up may still be on its way: the next call of its process is done after it. */
async function settled(engines: readonly Engine[]): Promise<void> {
  await Promise.all(engines.map((engine) => untilAnswered(() => engine.now())));
}

async function expectSameWorlds(url: string, engines: readonly Engine[], inserted: readonly string[]): Promise<void> {
  await settled(engines);
  const items = await itemsOf(await opened(url));
  for (const engine of engines) expect(await itemsOf(engine)).toEqual(items);
  const text = items.join("\n");
  expect(inserted.filter((id) => !text.includes(id))).toEqual([]);
}

async function newStage() {
  const server = await startNats();
  onTestFinished(() => server.close());
  const proxy = await HalvingProxy.before(server);
  onTestFinished(() => proxy.close());
  const engines = [await opened(server.url), await opened(server.url)];
  return { server, proxy, engines, proxied: await opened(proxy.url) };
}

function callAll(engines: readonly Engine[], ms: number): Promise<string[]> {
  const until = performance.now() + ms;
  return Promise.all(engines.map((engine) => callUntil(engine, until))).then((inserted) => inserted.flat());
}

/** The sequence of the journal's last message. */
async function lastOf({ url }: NatsServer): Promise<number> {
  const client = await connect({ servers: url });
  const { state } = await (await jetstreamManager(client)).streams.info(defaults.nats.stream);
  await client.close();
  return state.last_seq;
}

test("O1 all that follow a journal whose end was lost come to the same world, and nothing written after is lost", async () => {
  const { server, proxy, engines, proxied } = await newStage();
  const all = [...engines, proxied];
  for (let round = 0; round < 2; round++) {
    await callAll(all, 200);
    await stopSyncing(server);
    await callAll(all, 200);
    const under = callAll(all, callsMs);
    await cutPower(server);
    await server.start();
    const since = callAll(all, callsMs);
    // Connections are lost while worlds are made anew.
    for (let cuts = 0; cuts < 10; cuts++) {
      await sleep(40);
      proxy.cutAll();
    }
    await under;
    await expectSameWorlds(server.url, all, await since);
  }
}, 120_000);

test("O1 who was away when a journal lost its end, and is back when it has grown again, comes to the same world", async () => {
  const { server, proxy, engines, proxied } = await newStage();
  await callAll([...engines, proxied], 200);
  await stopSyncing(server);
  await callAll([...engines, proxied], 200);
  await settled([...engines, proxied]);
  const lastBefore = await lastOf(server);
  proxy.shut();
  await cutPower(server);
  await server.start();
  expect(await lastOf(server)).toBeLessThan(lastBefore);
  const heir = await opened(server.url);
  const inserted: string[] = [];
  while ((await lastOf(server)) <= lastBefore) inserted.push(...(await callAll([...engines, heir], 100)));
  proxy.open();
  const after = await callAll([proxied], callsMs);
  await expectSameWorlds(server.url, [...engines, proxied], [...inserted, ...after]);
}, 120_000);
