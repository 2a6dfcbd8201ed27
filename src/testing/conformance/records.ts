// Records: small values under keys, saved by what the caller expects to be there.
import assert from "node:assert/strict";
import type { Engine, RecordPut, StoredRecord } from "../../core/engine.ts";
import { minuteMs } from "./builders.ts";
import { type Chapter, fact, start } from "./harness.ts";

async function put(engine: Engine, parts: Partial<RecordPut>): Promise<StoredRecord | "conflict"> {
  const [answer] = await engine.records.put([{ key: "k", value: "1", expected: "any", ...parts }]);
  assert.ok(answer !== undefined);
  return answer;
}

async function read(engine: Engine, key = "k"): Promise<StoredRecord | undefined> {
  return (await engine.records.get([key]))[0];
}

/** A record that was saved. */
function saved(answer: StoredRecord | "conflict"): StoredRecord {
  assert.ok(answer !== "conflict");
  return answer;
}

export const records: Chapter = {
  title: "records",
  facts: [
    fact("N4 a record is read back as it was saved, by any handle", async ({ engine, other }) => {
      const value = JSON.stringify({ a: "\u0000\ud800🚀" });
      const record = saved(await put(engine, { value }));
      assert.deepEqual([record.key, record.value, record.expiresAt], ["k", value, undefined]);
      assert.deepEqual(await read(other), record);
    }),

    fact("N4 records are read in the order asked for, absent ones as undefined", async ({ engine }) => {
      await put(engine, { key: "a", value: "1" });
      await put(engine, { key: "b", value: "2" });
      const found = await engine.records.get(["b", "none", "a", "b"]);
      assert.deepEqual(
        found.map((record) => record?.value),
        ["2", undefined, "1", "2"],
      );
    }),

    fact("N4 what is expected to be absent is saved once", async ({ engine, other }) => {
      const answers = await Promise.all(
        [engine, other, engine, other].map((handle) => put(handle, { expected: "absent" })),
      );
      assert.equal(answers.filter((answer) => answer === "conflict").length, 3);
      assert.equal(await put(engine, { expected: "absent" }), "conflict");
    }),

    fact("N4 a record is saved under the revision it has, and no other", async ({ engine }) => {
      const first = saved(await put(engine, {}));
      assert.equal(await put(engine, { value: "2", expected: first.revision + 1 }), "conflict");
      const second = saved(await put(engine, { value: "2", expected: first.revision }));
      assert.ok(second.revision > first.revision);
      assert.equal(await put(engine, { value: "3", expected: first.revision }), "conflict");
      assert.equal((await read(engine))?.value, "2");
    }),

    fact("N4 of updates of one revision at once exactly one wins", async ({ engine, other }) => {
      const { revision } = saved(await put(engine, {}));
      const handles = [engine, other, engine, other];
      const answers = await Promise.all(
        handles.map((handle, turn) => put(handle, { value: `${turn}`, expected: revision })),
      );
      assert.equal(answers.filter((answer) => answer === "conflict").length, 3);
    }),

    fact("N4 a revision of what is absent is a conflict", async ({ engine }) => {
      assert.equal(await put(engine, { expected: 1 }), "conflict");
      assert.equal(await read(engine), undefined);
    }),

    fact("N4 whatever there is may be overwritten", async ({ engine }) => {
      const first = saved(await put(engine, {}));
      const second = saved(await put(engine, { value: "2" }));
      assert.ok(second.revision > first.revision);
      assert.equal((await read(engine))?.value, "2");
    }),

    fact("N4 one conflict does not harm its neighbours", async ({ engine }) => {
      await put(engine, { key: "b" });
      const puts = ["a", "b", "c"].map((key) => ({ key, value: "2", expected: "absent" }) as const);
      const answers = await engine.records.put(puts);
      assert.deepEqual(
        answers.map((answer) => (answer === "conflict" ? answer : answer.key)),
        ["a", "conflict", "c"],
      );
      assert.equal((await read(engine, "b"))?.value, "1");
    }),

    fact("N4 a record with a ttl is gone so long after it was saved", async ({ engine, clock }) => {
      const record = saved(await put(engine, { ttlMs: minuteMs }));
      assert.equal(record.expiresAt, start + minuteMs);
      clock.advance(minuteMs - 1);
      assert.deepEqual(await read(engine), record);
      clock.advance(1);
      assert.equal(await read(engine), undefined);
      assert.deepEqual((await engine.records.list("", { limit: 10 })).items, []);
      assert.equal(await put(engine, { expected: record.revision }), "conflict");
      assert.notEqual(await put(engine, { expected: "absent" }), "conflict");
    }),

    fact("N4 saving again counts the ttl anew, or lifts it", async ({ engine, clock }) => {
      await put(engine, { key: "renewed", ttlMs: minuteMs });
      await put(engine, { key: "lifted", ttlMs: minuteMs });
      clock.advance(minuteMs / 2);
      await put(engine, { key: "renewed", ttlMs: minuteMs });
      await put(engine, { key: "lifted" });
      clock.advance(minuteMs / 2);
      assert.equal((await read(engine, "renewed"))?.expiresAt, start + 1.5 * minuteMs);
      clock.advance(minuteMs);
      assert.deepEqual([await read(engine, "renewed"), (await read(engine, "lifted"))?.value], [undefined, "1"]);
    }),

    fact("N4 removed records are gone, and removing nothing is no error", async ({ engine }) => {
      await put(engine, { key: "a" });
      await put(engine, { key: "b" });
      await engine.records.remove(["a", "none"]);
      assert.deepEqual([await read(engine, "a"), (await read(engine, "b"))?.key], [undefined, "b"]);
    }),

    fact("N4 a record removed and saved again does not have a revision it had", async ({ engine }) => {
      const { revision } = saved(await put(engine, {}));
      await engine.records.remove(["k"]);
      assert.equal(await put(engine, { expected: revision }), "conflict");
    }),

    fact("N4 records are listed by prefix, letter by letter, in the order of their keys", async ({ engine }) => {
      for (const key of ["b", "a_1", "ab1", "A_2", "a/1"]) await put(engine, { key });
      const keys = async (prefix: string) =>
        (await engine.records.list(prefix, { limit: 10 })).items.map((record) => record.key);
      assert.deepEqual(await keys("a_"), ["a_1"]);
      assert.deepEqual(await keys("A"), ["A_2"]);
      assert.deepEqual(await keys(""), ["A_2", "a/1", "a_1", "ab1", "b"]);
    }),

    fact("N4 pages of a list hold each record once", async ({ engine }) => {
      const keys = Array.from({ length: 7 }, (_, index) => `w/${index}`);
      for (const key of keys) await put(engine, { key });
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await engine.records.list("w/", cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
        seen.push(...page.items.map((record) => record.key));
        cursor = page.next;
      } while (cursor !== undefined);
      assert.deepEqual(seen, keys);
    }),
  ],
};
