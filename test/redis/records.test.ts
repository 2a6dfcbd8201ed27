// Small records on Redis beyond the suite: their order, what has expired and still lies there, and what a foreign hand left.
import { expect, test } from "vitest";
import { minuteMs } from "../../src/testing/conformance/builders.ts";
import { type Opened, openDeployment } from "./opened.ts";

function puts(keys: readonly string[], ttlMs?: number) {
  return keys.map((key) => ({ key, value: `of ${key}`, expected: "any" as const, ttlMs }));
}

async function listed({ engine }: Pick<Opened, "engine">, prefix: string, limit: number): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await engine.records.list(prefix, { limit, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    keys.push(...page.items.map((record) => record.key));
    cursor = page.next;
  } while (cursor !== undefined);
  return keys;
}

test("N4: records are listed by the code points of their keys, whatever these are made of", async () => {
  const opened = await openDeployment();
  const keys = ["", "a", "a\n", "a|1|b", "a\u{e9}", "a\u{ff5e}", "a\u{10ffff}", "a\u{1f600}", "b"];
  await opened.engine.records.put(puts(keys));
  for (const limit of [1, 100]) {
    expect(await listed(opened, "a", limit)).toEqual([
      ...["a", "a\n", "a|1|b", "a\u{e9}", "a\u{ff5e}", "a\u{1f600}", "a\u{10ffff}"],
    ]);
    expect(await listed(opened, "a\u{ff5e}", limit)).toEqual(["a\u{ff5e}"]);
  }
  expect((await opened.other.records.get(["a|1|b", ""])).map((record) => record?.value)).toEqual(["of a|1|b", "of "]);
});

test("N4: a listing passes over the many that have expired and still lie there", async () => {
  const opened = await openDeployment();
  const { engine, clock } = opened;
  const names = (letter: string, count: number) => Array.from({ length: count }, (_, index) => `w/${letter}${index}`);
  await engine.records.put(puts(names("a", 350), minuteMs));
  await engine.records.put(puts(names("b", 3)));
  clock.advance(minuteMs);
  expect(await listed(opened, "w/", 2)).toEqual(names("b", 3));
  await engine.jobs.purge({ limit: 300 });
  expect(await listed(opened, "w/", 2)).toEqual(names("b", 3));
});

test("N4: a purge of what has expired leaves a record that was saved again, and nothing of the others", async () => {
  const { engine, clock, keys } = await openDeployment();
  await engine.records.put(puts(["a", "b", "c"], minuteMs));
  await engine.records.put(puts(["a"]));
  await engine.records.put(puts(["b"], 2 * minuteMs));
  clock.advance(minuteMs);
  expect(await engine.jobs.purge({ limit: 10 })).toEqual({ deleted: 0, more: false });
  expect((await engine.records.list("", { limit: 10 })).items.map((record) => record.key)).toEqual(["a", "b"]);
  await engine.records.remove(["a", "b"]);
  expect(await keys("record")).toEqual([]);
});

test("N4: a record that a foreign hand has damaged is as good as absent", async () => {
  const { engine, server, key } = await openDeployment();
  await engine.records.put(puts(["a", "b", "c"]));
  await server.hset(key("records"), "b", "nonsense");
  await server.zadd(key("recordNames"), 0, "bb");
  expect((await engine.records.get(["a", "b", "bb"])).map((record) => record?.key)).toEqual([
    "a",
    undefined,
    undefined,
  ]);
  expect((await engine.records.list("", { limit: 2 })).items.map((record) => record.key)).toEqual(["a", "c"]);
  const [saved] = await engine.records.put([{ key: "b", value: "new", expected: "absent" }]);
  expect(saved).toMatchObject({ value: "new", revision: 1 });
});
