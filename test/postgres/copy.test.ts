// `punctual copy` between engines: from a file into PostgreSQL and back, each time into an equal store.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine } from "../../src/core/engine.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { Workplace } from "../cli/punctual.ts";
import { sharedPostgres } from "../servers/shared.ts";

interface Copied {
  readonly counts: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly written: number;
}

describe("punctual copy with PostgreSQL", () => {
  const place = new Workplace();
  const back = join(place.folder, "back.db");
  const jobs = 2_000;
  let url = "";
  afterAll(() => place[Symbol.asyncDispose]());

  beforeAll(async () => {
    url = await sharedPostgres(15);
    let now = Date.now();
    const engine = sqlite(place.file, { clock: { now: () => now } });
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

  it("O6 a file's copy in PostgreSQL and that copy's copy in a file are equal stores", {
    timeout: 60_000,
  }, async () => {
    const there = await place.json<Copied>("copy", "--from", place.file, "--to", url);
    expect(there.counts).toMatchObject({ job: jobs });
    const again = await place.json<Copied>("copy", "--from", place.file, "--to", url);
    expect(again).toMatchObject({ digest: there.digest, counts: there.counts, written: 0 });
    const returned = await place.json<Copied>("copy", "--from", url, "--to", back);
    expect(returned).toMatchObject({ digest: there.digest, counts: there.counts });
  });

  it("O6 both copies count and list alike", { timeout: 60_000 }, async () => {
    const [there, returned] = [await look(postgres(url) as Engine), await look(sqlite(back) as Engine)];
    expect(there).toEqual(returned);
    expect(there.jobs.length).toBeGreaterThan(0);
  });
});

/** Some of what a store says of itself. */
async function look(engine: Engine) {
  await engine.open();
  const lanes = await engine.jobs.stats({});
  const { items: jobs } = await engine.jobs.list({ states: ["pending"], keyPrefix: "key-1" }, { limit: 100 });
  const records = await engine.records.get(["\u{1f600}", "note"]);
  await engine.close();
  return { lanes: lanes.map((lane) => JSON.stringify(lane)).sort(), jobs, records };
}
