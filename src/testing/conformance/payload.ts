// Payloads: JSON texts survive byte for byte, whatever is in them.
import assert from "node:assert/strict";
import { defaults } from "../../core/defaults.ts";
import { leaseOf } from "../../core/settling.ts";
import { completion, failure, leaseMs, newJob } from "./builders.ts";
import { changeJob, claimJob, createSchedule, insertJob, settleJob, storedJob, storedSchedule } from "./calls.ts";
import { type Chapter, type Fact, fact, type Harness, start } from "./harness.ts";

/** Texts as `JSON.stringify` makes them, and one that escapes nothing it need not. */
const texts: readonly (readonly [string, string])[] = [
  ["NUL", JSON.stringify({ a: "before\u0000after", "\u0000": 1 })],
  ["lone surrogates", JSON.stringify(["\ud800", "x\udfff", "\udc00\ud800"])],
  ["emoji and other planes", JSON.stringify({ "🚀": "👩‍👩‍👧‍👦 𝒳 𠜎" })],
  ["combining and right-to-left marks", JSON.stringify("e\u0301 é \u202e شكرا \ufeff")],
  ["line separators and control characters", JSON.stringify("\u2028\u2029\u0001\u001f\u007f\u0085\r\n\t\\\"'")],
  ["numbers and their spelling", "[1e400,-0,1.10,12345678901234567890,0.1]"],
  ["spaces and repeated names", ' { "a" : 1 , "a" : 2 } '],
  ["the literals", "null"],
];

async function assertSurvives({ engine, other }: Harness, text: string): Promise<void> {
  const { id } = await insertJob(engine, { input: text, metadata: text });
  const job = await claimJob(other);
  assert.deepEqual([job.input, job.metadata], [text, text]);
  await settleJob(other, completion(job, { output: text }));
  const stored = await storedJob(engine, id);
  assert.deepEqual([stored.input, stored.metadata, stored.output], [text, text, text]);
}

const survivals: readonly Fact[] = texts.map(([name, text]) =>
  fact(`J13 ${name} survive in input, metadata and output`, (harness) => assertSurvives(harness, text)),
);

export const payload: Chapter = {
  title: "payload",
  facts: [
    ...survivals,

    fact("J13 an input of 512 KiB survives", async ({ engine, other }) => {
      const input = JSON.stringify("é".repeat((defaults.payloadBytesMax - 2) / 2));
      const { id } = await insertJob(engine, { input });
      assert.equal((await claimJob(other)).input, input);
      assert.equal((await storedJob(engine, id)).input, input);
    }),

    fact("J13 an updated input survives", async ({ engine }) => {
      const { id } = await insertJob(engine);
      const input = JSON.stringify("\u0000\ud800🚀");
      await changeJob(engine, { id }, { kind: "update", input });
      assert.equal((await claimJob(engine)).input, input);
    }),

    fact("J13 a schedule's input, metadata and name survive", async ({ engine }) => {
      const text = JSON.stringify("\u0000\ud800🚀");
      await createSchedule(engine, { input: text, metadata: text, name: "naïve 🚀" });
      const { definition } = await storedSchedule(engine);
      assert.deepEqual([definition.input, definition.metadata, definition.name], [text, text, "naïve 🚀"]);
    }),

    fact("J7 an error's message and a log line survive with what is in them", async ({ engine }) => {
      const { id } = await insertJob(engine);
      const job = await claimJob(engine);
      const text = "bad \u0000 byte, lone \ud800, 🚀";
      await engine.jobs.extend([{ lease: leaseOf(job), log: [{ at: start, attempt: 1, text }] }], leaseMs);
      const error = { name: "Error", message: text };
      const record = { attempt: 1, worker: "w", startedAt: start, endedAt: start, outcome: "failed", error } as const;
      await settleJob(engine, failure(job, { record, reason: text }));
      const stored = await storedJob(engine, id);
      assert.deepEqual([stored.attempts[0]?.error?.message, stored.log[0]?.text, stored.reason], [text, text, text]);
    }),

    fact("J13 ids of 128 characters of the whole alphabet survive", async ({ engine }) => {
      const name = `A${"z9._:@/+-".repeat(14)}x`;
      assert.equal(name.length, 128);
      const parts = { tenant: name, queue: name, task: name, key: name };
      const { id } = await insertJob(engine, newJob(parts));
      const job = await claimJob(engine, { wants: [{ queue: name, limit: 1 }], worker: name });
      assert.deepEqual(
        [job.id, job.tenant, job.queue, job.task, job.key, job.worker],
        [id, name, name, name, name, name],
      );
    }),
  ],
};
