// kill -9, of a worker in the middle of a job and of a producer between its inserts.
import { expect, test } from "vitest";
import { setStage, waitFor } from "./stage.ts";

test("J4 the job of a worker killed with kill -9 runs again when the lease ends, as attempt 2", async () => {
  const stage = await setStage();
  const killed = await stage.start({ leaseMs: 1_000 });
  const { id } = await stage.scheduler.enqueue("gated", null);
  await stage.seen("attempt 1", ({ kind, job }) => kind === "started" && job === id);
  killed.process.kill("SIGKILL");
  expect(await killed.ended).toMatchObject({ signal: "SIGKILL" });
  const left = await stage.scheduler.jobs.get(id);
  expect(left).toMatchObject({ state: "active", attempt: 1 });

  stage.openGate();
  const heir = await stage.start({ leaseMs: 1_000 });
  const job = await waitFor("the end", async () => {
    const found = await stage.scheduler.jobs.get(id);
    return found?.state === "completed" ? found : undefined;
  });
  const effects = stage.ledger().filter((line) => line.job === id);
  expect(effects.map(({ kind, attempt, pid }) => [kind, attempt, pid])).toEqual([
    ["started", 1, killed.pid],
    ["started", 2, heir.pid],
    ["done", 2, heir.pid],
  ]);
  expect(job.attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
    [1, "lost"],
    [2, "completed"],
  ]);
  expect(job.failures).toBe(0);
  const againAt = effects[1]?.at ?? 0;
  expect(againAt).toBeGreaterThanOrEqual(left?.leaseUntil?.getTime() ?? Number.POSITIVE_INFINITY);
}, 30_000);

test("J1 every acknowledged enqueue is in the store after kill -9 between many inserts", async () => {
  const stage = await setStage();
  const accepted = () => stage.ledger().filter(({ kind }) => kind === "accepted");
  for (let kill = 1; kill <= 3; kill++) {
    const producer = await stage.start({ mode: "producer" });
    await waitFor("inserts", () => accepted().filter(({ pid }) => pid === producer.pid).length > 300);
    producer.process.kill("SIGKILL");
    await producer.ended;
  }
  const ids = accepted().map(({ job = "" }) => job);
  const stored = await Promise.all(ids.map((id) => stage.engine.jobs.get(id)));
  expect(ids.filter((_, index) => stored[index]?.state !== "pending")).toEqual([]);
  const { waiting } = await stage.scheduler.stats();
  expect(waiting).toBeGreaterThanOrEqual(ids.length);
}, 30_000);
