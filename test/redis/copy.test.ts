// `punctual copy` between engines: from a file into Redis and back, each time into an equal store.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine } from "../../src/core/engine.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { copyStore } from "../../src/index.ts";
import { Workplace } from "../cli/punctual.ts";
import { sharedRedis } from "../servers/shared.ts";

describe("copies with Redis", () => {
  const place = new Workplace();
  const jobs = 2_000;
  let there: () => Engine;
  afterAll(() => place[Symbol.asyncDispose]());

  beforeAll(async () => {
    const { url, newDeployment } = await sharedRedis();
    const prefix = newDeployment();
    there = () => redis(url, { prefix });
    let now = Date.now();
    const engine = sqlite(place.file, { clock: { now: () => now } }) as Engine;
    await engine.open();
    await fillStore(engine, { jobs, schedules: 100 }, async (ms) => {
      now += ms;
    });
    // Their order is one by code points, and another by UTF-16 units.
    await engine.records.put(
      ["\u{ff5e}", "\u{1f600}", "z"].map((key) => ({ key, value: JSON.stringify({ key }), expected: "absent" })),
    );
    await engine.close();
  });

  const back = () => sqlite(join(place.folder, "back.db")) as Engine;

  it("O6 a file's copy in Redis and that copy's copy in a file are equal stores", { timeout: 60_000 }, async () => {
    const source = () => sqlite(place.file) as Engine;
    const copied = await copy(source(), there(), "file");
    expect(copied.counts).toMatchObject({ job: jobs });
    const again = await copy(source(), there(), "file");
    expect(again).toMatchObject({ digest: copied.digest, counts: copied.counts, written: 0 });
    const returned = await copy(there(), back(), "redis");
    expect(returned).toMatchObject({ digest: copied.digest, counts: copied.counts });
  });

  it("O6 both copies count and list alike", { timeout: 60_000 }, async () => {
    const [one, other] = [await look(there()), await look(back())];
    expect(one).toEqual(other);
    expect(one.jobs.length).toBeGreaterThan(0);
  });
});

async function copy(source: Engine, target: Engine, name: string) {
  await source.open();
  await target.open();
  const result = await copyStore(source, target, { source: name });
  await Promise.all([source.close(), target.close()]);
  return result;
}

/** Some of what a store says of itself. */
async function look(engine: Engine) {
  await engine.open();
  const lanes = await engine.jobs.stats({});
  const { items } = await engine.jobs.list({ states: ["pending"], keyPrefix: "key-1" }, { limit: 100 });
  const records = await engine.records.get(["\u{1f600}", "note"]);
  await engine.close();
  const jobs = items.map((job) => JSON.parse(JSON.stringify(job)) as unknown);
  return { lanes: lanes.map((lane) => JSON.stringify(lane)).sort(), jobs, records };
}
