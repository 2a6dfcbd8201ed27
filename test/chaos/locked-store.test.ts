// A store that cannot be written to for a while, because somebody else's transaction stays open.
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { every } from "../../src/index.ts";
import { setStage, waitFor } from "./stage.ts";

const lockedMs = 3_000;

test("O1 calls and loops go on by themselves after the store was locked for 3 s: no job is lost, no tick doubled", async () => {
  const stage = await setStage();
  await stage.scheduler.schedules.create("second", { task: "note", when: every("1s"), overlap: "allow" });
  const worker = await stage.start({ enqueues: true });
  const countAfter = (kind: string, at: number) =>
    stage.ledger().filter((line) => line.kind === kind && line.at > at).length;
  await waitFor("work to flow", () => countAfter("done", 0) > 10);

  const locker = new DatabaseSync(stage.file, { timeout: 5_000 });
  locker.exec("BEGIN IMMEDIATE");
  // A commit that was under way when the lock came has been written down by now.
  await sleep(100);
  const lockedAt = Date.now();
  const mine = stage.scheduler.enqueue("note", null);
  await sleep(lockedMs);
  const meanwhile = countAfter("accepted", lockedAt);
  const unlockedAt = Date.now();
  locker.exec("COMMIT");
  locker.close();
  expect(meanwhile).toBe(0);

  const { id } = await mine;
  await stage.seen("this process's own job", (line) => line.kind === "done" && line.job === id);
  await waitFor(
    "work to flow again",
    () => countAfter("accepted", unlockedAt) > 10 && countAfter("done", unlockedAt) > 10,
  );
  const tickAfter = (at: number) => stage.ledger().some((line) => line.kind === "done" && (line.tick ?? 0) > at);
  await waitFor("a tick after the lock", () => tickAfter(unlockedAt));
  worker.process.kill("SIGTERM");
  expect(await worker.ended).toMatchObject({ code: 0 });

  // What was accepted last may wait for the next worker; then nothing is left.
  await stage.start();
  const accepted = stage.ledger().flatMap(({ kind, job }) => (kind === "accepted" ? [job ?? ""] : []));
  const states = () => Promise.all(accepted.map(async (job) => (await stage.engine.jobs.get(job))?.state));
  await waitFor("the rest", async () => (await states()).every((state) => state !== "pending" && state !== "active"));
  expect((await states()).filter((state) => state !== "completed")).toEqual([]);
  expect(stage.ledger().filter(({ kind, text }) => kind === "error" && text?.startsWith("unhandled"))).toEqual([]);
  const ticks = stage.ledger().flatMap(({ kind, tick }) => (kind === "done" && tick !== undefined ? [tick] : []));
  expect(new Set(ticks).size).toBe(ticks.length);
  // The lock was shorter than what counts as late: its ticks have all fired.
  const sorted = ticks.toSorted((a, b) => a - b);
  expect(sorted.map((tick) => (tick - (sorted[0] ?? 0)) / 1_000)).toEqual(sorted.map((_, index) => index));
}, 30_000);
