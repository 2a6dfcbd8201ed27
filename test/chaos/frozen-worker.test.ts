// SIGSTOP for longer than the lease, then SIGCONT: a process that does not know how long it was away. What it still
// does comes while another process holds its job, so that only the fence stands between them.
import { expect, test } from "vitest";
import { type ProcessOptions, type Stage, setStage, waitFor } from "./stage.ts";

const leaseMs = 1_000;

/** A process is frozen in the middle of attempt 1 until another one holds attempt 2, and runs on then. */
async function freeze(stage: Stage, mode: NonNullable<ProcessOptions["mode"]>) {
  const frozen = await stage.start({ mode, leaseMs });
  const { id } = await stage.scheduler.enqueue("gated", null);
  await stage.seen("attempt 1", ({ kind, job, pid }) => kind === "started" && job === id && pid === frozen.pid);
  frozen.process.kill("SIGSTOP");
  const heir = await stage.start({ leaseMs });
  await stage.seen("attempt 2", ({ kind, job, pid }) => kind === "started" && job === id && pid === heir.pid);
  stage.openGate(frozen.pid);
  frozen.process.kill("SIGCONT");
  return { frozen, heir, id };
}

/** Attempt 2 is untouched, and completes as if nothing had been. */
async function expectHeirCompletes(stage: Stage, id: string, heirPid: number): Promise<void> {
  expect(await stage.engine.jobs.get(id)).toMatchObject({
    state: "active",
    attempt: 2,
    failures: 0,
    output: undefined,
  });
  stage.openGate(heirPid);
  const job = await waitFor("attempt 2 to complete", async () => {
    const found = await stage.scheduler.jobs.get(id);
    return found?.state === "completed" ? found : undefined;
  });
  expect(job).toMatchObject({ attempt: 2, failures: 0, output: heirPid });
  expect(job.progress).toBeUndefined();
  expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
  expect((await stage.scheduler.stats()).totals).toMatchObject({ completed: 1, failed: 0 });
}

test("J3 a worker frozen for longer than its lease has lost the job: job:lease-lost, and nothing is changed", async () => {
  const stage = await setStage();
  const { frozen, heir, id } = await freeze(stage, "worker");
  const isOfFrozen = ({ job, pid }: { job?: string; pid: number }) => job === id && pid === frozen.pid;
  await stage.seen("the end of attempt 1's handler", (line) => line.kind === "done" && isOfFrozen(line));
  await stage.seen("job:lease-lost", (line) => line.kind === "lease-lost" && isOfFrozen(line));
  await expectHeirCompletes(stage, id, heir.pid);
  frozen.process.kill("SIGTERM");
  expect(await frozen.ended).toMatchObject({ code: 0 });
}, 30_000);

test("J3 the late extend and settle of a frozen process answer lost and change nothing", async () => {
  const stage = await setStage();
  const { heir, id } = await freeze(stage, "holder");
  const answer = await stage.seen("the late settle", ({ kind, job }) => kind === "settled" && job === id);
  expect(answer.text).toBe("extend lost, settle lost");
  await expectHeirCompletes(stage, id, heir.pid);
}, 30_000);
