// SIGTERM: the graceful end.
import { expect, test } from "vitest";
import { setStage } from "./stage.ts";

test("J9 SIGTERM lets the running job finish, claims nothing new and ends with exit code 0", async () => {
  const stage = await setStage();
  const worker = await stage.start({ concurrency: 1 });
  const running = await stage.scheduler.enqueue("gated", null);
  await stage.seen("the job to run", ({ kind, job }) => kind === "started" && job === running.id);
  const behind = await stage.scheduler.enqueue("note", null);
  worker.process.kill("SIGTERM");
  await stage.seen("the stop to begin", ({ kind }) => kind === "stopping");
  const late = await stage.scheduler.enqueue("note", null);
  stage.openGate();

  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(await stage.scheduler.jobs.get(running.id)).toMatchObject({ state: "completed", attempt: 1, failures: 0 });
  for (const { id } of [behind, late]) {
    expect(await stage.scheduler.jobs.get(id)).toMatchObject({ state: "waiting", failures: 0 });
  }
  const started = stage.ledger().filter(({ kind }) => kind === "started");
  expect(started.map(({ job }) => job)).toEqual([running.id]);
}, 30_000);

test("J9 a job that outlasts the deadline is released: due at once, no failure counted", async () => {
  const stage = await setStage();
  const worker = await stage.start({ drainMs: 200 });
  const { id } = await stage.scheduler.enqueue("gated", null);
  await stage.seen("the job to run", ({ kind, job }) => kind === "started" && job === id);
  worker.process.kill("SIGTERM");

  expect(await worker.ended).toMatchObject({ code: 0 });
  const job = await stage.scheduler.jobs.get(id);
  expect(job).toMatchObject({ state: "waiting", attempt: 1, failures: 0 });
  expect(job?.attempts).toMatchObject([{ attempt: 1, outcome: "released" }]);
  expect(job?.leaseUntil).toBeUndefined();
}, 30_000);
