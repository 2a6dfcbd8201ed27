// J15, T2 and T3 as they show in what an insert is answered.
import type { Insert, InsertAnswer, InsertedJob } from "../../src/core/engine.ts";
import { isFinished, type NewJob } from "../../src/core/job.ts";
import { keyOf } from "./picture.ts";
import type { Scene } from "./scene.ts";

export function checkInsert(scene: Scene, inserts: readonly Insert[], answers: readonly InsertAnswer[]): void {
  const keys = inserts.flatMap(({ jobs }) => jobs.flatMap((job) => keyOf(job) ?? []));
  for (const [index, { jobs }] of inserts.entries()) {
    const answer = answers[index];
    if (answer?.outcome === "key-in-use") {
      scene.count("keys refused");
      continue;
    }
    if (answer?.outcome !== "inserted") {
      scene.broken("J15", `an insert was answered ${answer?.outcome}`);
      continue;
    }
    for (const [place, job] of jobs.entries()) {
      const inserted = answer.jobs[place];
      const key = keyOf(job);
      // Of several inserts for one key in one call only the last one's answer can be held against the store.
      const alone = key === undefined || keys.filter((other) => other === key).length === 1;
      if (inserted !== undefined && alone) checkInserted(scene, job, inserted);
    }
  }
}

function checkInserted(scene: Scene, job: NewJob, { id, outcome, successor }: InsertedJob): void {
  const name = scene.shortOf(id);
  const before = scene.before(id);
  const after = scene.picture.jobs.get(id);
  if (after === undefined) {
    // An idempotency key may name a job of before the store went back; nothing else may.
    scene.broken("J1", `an insert was answered ${outcome} ${name}, which is not stored`);
    return;
  }
  if (outcome === "existing") {
    scene.count("existing found");
    const held = before !== undefined && !isFinished(before.state);
    if (job.idempotency === undefined && !held)
      scene.broken("T2", `an insert was refused for ${name}, which has ended`);
    return;
  }
  if (before !== undefined && (id === job.id || before.replacedBy === job.id)) {
    scene.count("inserts made again");
    if (before !== after && before.state !== "pending") scene.broken("J15", `the repeat of an insert changed ${name}`);
    return;
  }
  if (after.input !== job.input) scene.broken("T3", `job ${name} does not carry what its ${outcome} insert said`);
  if (outcome === "replaced") scene.count("replaced jobs");
  if (outcome === "created" && id !== job.id) scene.broken("J15", `an insert created ${name} under another id`);
  if (successor === true) scene.count("successors set");
  if ((after.successor === true) !== (successor === true)) {
    scene.broken(
      "T2",
      `an insert was told ${successor ? "" : "not "}to wait, and ${name} does ${successor ? "not" : ""}`,
    );
  }
}
