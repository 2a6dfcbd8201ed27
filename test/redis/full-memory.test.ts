// A server whose memory is full: nothing new comes in, and what is there goes on to its end, which is what makes room again.
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "../../scripts/services/redis.ts";
import { redis } from "../../src/engines/redis/index.ts";
import {
  claimRequest,
  completion,
  failure,
  minuteMs,
  newJob,
  retrying,
  schedulePut,
} from "../../src/testing/conformance/builders.ts";
import {
  changeJob,
  extendJob,
  insertJob,
  insertJobs,
  settleJob,
  storedJob,
} from "../../src/testing/conformance/calls.ts";

test("O1: while memory is full nothing comes in; jobs end, leases are extended, and history goes", async () => {
  const server = await startRedis();
  const engine = redis(server.url);
  onTestFinished(async () => {
    await engine.close();
    await server.close();
  });
  await engine.open();
  await insertJobs(engine, Array(1_000).fill({ input: JSON.stringify("x".repeat(2_000)) }));
  const waiting = await insertJob(engine, { key: "k", priority: 9 });
  const { jobs } = await engine.jobs.claim(claimRequest({ limit: 10, starts: 10 }));
  const [completed, dropped, failed, again, extended] = jobs;
  if (!completed || !dropped || !failed || !again || !extended) throw new Error("there are jobs");
  const used = Number((await server.info("memory")).get("used_memory"));
  await server.command("CONFIG", "SET", "maxmemory", String(used - 1_000_000));
  const full = { code: "NOT_WRITTEN", message: expect.stringContaining("memory is full") };
  await expect(engine.jobs.insert([{ jobs: [newJob()] }])).rejects.toMatchObject(full);
  await expect(engine.jobs.insert([{ jobs: [newJob({ key: "other" })] }])).rejects.toMatchObject(full);
  await expect(engine.schedules.put([schedulePut()])).rejects.toMatchObject(full);
  expect(await extendJob(engine, extended, minuteMs)).toBe("held");
  expect(await settleJob(engine, completion(completed))).toMatchObject({ outcome: "settled" });
  expect(await settleJob(engine, completion(dropped, { keep: "nothing" }))).toMatchObject({ outcome: "settled" });
  expect(await settleJob(engine, failure(failed))).toMatchObject({ outcome: "settled", state: "failed" });
  expect(await settleJob(engine, retrying(again))).toMatchObject({ outcome: "settled", state: "pending" });
  expect(await changeJob(engine, { id: waiting.id }, { kind: "cancel" })).toMatchObject({ outcome: "changed" });
  expect(await storedJob(engine, extended.id)).toMatchObject({ state: "active" });
  expect(await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 100 })).toMatchObject({ deleted: 3 });
  const findings = await engine.inspection.findings();
  expect(findings.find(({ check }) => check === "memory")).toMatchObject({ status: "problem" });
});
