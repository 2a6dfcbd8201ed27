// Two serving processes on one file.
import { expect, test } from "vitest";
import { cron } from "../../src/index.ts";
import { setStage, waitFor } from "./stage.ts";

test("S2 two processes fire each tick of one-second schedules once", async () => {
  const stage = await setStage();
  const ids = Array.from({ length: 10 }, (_, index) => `second-${index}`);
  await Promise.all([stage.start(), stage.start()]);
  await stage.scheduler.schedules.ensureMany(
    ids.map((id) => ({ id, task: "note", when: cron("* * * * * *"), overlap: "allow" as const })),
  );
  const list = async () => (await stage.scheduler.schedules.list()).items;
  await waitFor("five ticks each", async () => (await list()).every(({ ticksFired }) => ticksFired >= 5));
  for (const id of ids) await stage.scheduler.schedules.disable(id);
  await waitFor("the last jobs", async () => {
    const { waiting, delayed, active } = await stage.scheduler.stats();
    return waiting + delayed + active === 0;
  });

  const runs = stage.ledger().filter(({ kind }) => kind === "started");
  for (const { id, createdAt, updatedAt, ticksFired } of await list()) {
    const ticks = runs.filter(({ schedule }) => schedule === id).map(({ tick = 0 }) => tick);
    const first = Math.floor(createdAt.getTime() / 1_000) * 1_000 + 1_000;
    const expected = Array.from({ length: ticksFired }, (_, index) => first + index * 1_000);
    expect(ticks.sort((a, b) => a - b)).toEqual(expected);
    expect((expected.at(-1) ?? 0) + 2_000).toBeGreaterThan(updatedAt.getTime());
  }
  expect(stage.ledger().filter(({ kind }) => kind === "error")).toEqual([]);
}, 30_000);
