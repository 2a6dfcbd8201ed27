// Settlements, made up from the leases that a sequence has seen.
import type { AttemptOutcome, AttemptRecord, ClaimedJob } from "../../src/core/job.ts";
import type { Keep, Settlement } from "../../src/core/settling.ts";
import type { Write } from "./call.ts";
import { leaseOf, logLine, someLeases } from "./job-calls.ts";
import type { Scene } from "./scene.ts";

export function settleCall(scene: Scene): Write | undefined {
  const { random, plan } = scene;
  // Two that say different things of one job in one call are of no worker. Which of those that end at one instant is the
  // newest, and stays where few are kept, is the engine's.
  const jobs = new Map(someLeases(scene, plan.trims ? 1 : 4).map((job) => [job.id, job]));
  const settlements = [...jobs.values()].map((job) => settlement(scene, job));
  const again = random.chance(0.15) ? scene.recent(scene.settlements) : undefined;
  if (again !== undefined && !jobs.has(again.lease.id) && !plan.trims) settlements.push(again);
  const [first] = settlements;
  // What retention keeps for no time at all may be gone before its repeat is looked at.
  if (first !== undefined && !plan.trims && random.chance(0.1)) settlements.push(first);
  return settlements.length === 0 ? undefined : { op: "jobs.settle", settlements };
}

function settlement(scene: Scene, job: ClaimedJob): Settlement {
  const { random, now } = scene;
  const outcome = random.pick(["complete", "complete", "complete", "fail", "retry", "release", "cancel"] as const);
  const common = {
    lease: leaseOf(job),
    outcome,
    keep: keep(scene),
    ...(random.chance(0.2) ? { progress: 0.5 } : {}),
    ...(random.chance(0.2) ? { log: [logLine(scene, job.attempt, now)] } : {}),
  };
  switch (outcome) {
    case "complete":
      return { ...common, output: '{"done":true}', record: record(scene, job, "completed") };
    case "fail":
      return { ...common, endCause: "attempts", reason: "boom", record: record(scene, job, "failed") };
    case "retry":
      return { ...common, ...due(scene), reason: "boom", record: record(scene, job, "failed") };
    case "release":
      return { ...common, ...due(scene), ...(random.chance(0.5) ? { record: record(scene, job, "released") } : {}) };
    case "cancel":
      return { ...common, endCause: "cancelled", reason: "asked to", record: record(scene, job, "cancelled") };
  }
}

function due({ random, now }: Scene): Pick<Settlement, "due"> {
  const ms = random.pick([0, 1, 1_000, 10_000, 60_000]);
  return random.pick([{}, { due: { afterMs: ms } }, { due: { at: now + ms } }, { due: { at: now - ms } }]);
}

function keep({ random }: Scene): Keep {
  return random.pick([{}, {}, {}, { ageMs: 86_400_000 }, { ageMs: 10_000 }, "nothing"] as const);
}

function record({ random, now }: Scene, job: ClaimedJob, outcome: AttemptOutcome): AttemptRecord {
  const { attempt, worker, claimedAt } = job;
  const failed = outcome === "failed";
  return {
    attempt,
    worker,
    startedAt: claimedAt,
    endedAt: now,
    outcome: failed && random.chance(0.3) ? "timed-out" : outcome,
    ...(failed ? { error: { name: "Error", message: "boom" } } : {}),
  };
}
