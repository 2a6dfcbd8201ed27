// J1, J2 and the keys: what may become of a job in one step, whatever the call.
import { isFinished, type Job } from "../../src/core/job.ts";
import { keyOf, requestOf } from "./picture.ts";
import type { Scene } from "./scene.ts";

/** Checks each job that the step changed. */
export function checkJobs(scene: Scene): void {
  for (const [id, { before, after }] of scene.jobs) {
    if (after === undefined) {
      // Retention keeps everything here.
      scene.broken("J1", `job ${scene.shortOf(id)} vanished`);
      continue;
    }
    if (before === undefined) checkNew(scene, after);
    else checkMove(scene, before, after);
    checkKey(scene, after);
  }
}

function checkNew(scene: Scene, job: Job): void {
  const name = scene.shortOf(job.id);
  if (job.schedule !== undefined) {
    const tick = `${job.schedule.incarnation}\n${job.schedule.tick}`;
    const first = scene.picture.ticks.get(tick);
    if (first !== undefined) scene.broken("S2", `tick ${job.schedule.tick} made ${scene.shortOf(first)} and ${name}`);
    scene.picture.ticks.set(tick, job.id);
    // A store that went back makes it again as the same job; triggers have ids of their own.
    const ever = scene.tickIds.get(tick) ?? job.id;
    const ofTrigger = job.schedule.tick % 1_000 !== 0;
    if (ever !== job.id && !ofTrigger) scene.broken("S2", `tick ${job.schedule.tick} came again as another job`);
    scene.tickIds.set(tick, ever);
  }
  carry(scene, job);
  if (isFinished(job.state)) scene.broken("J1", `job ${name} was finished when it came`);
}

/** J15: one enqueue is in one job at most. */
function carry(scene: Scene, job: Job): void {
  const request = requestOf(job);
  if (request === undefined) return;
  const other = scene.picture.requests.get(request);
  if (other !== undefined && other !== job.id) {
    scene.broken("J15", `request ${request} is in ${scene.shortOf(other)} and in ${scene.shortOf(job.id)}`);
  }
  scene.picture.requests.set(request, job.id);
}

function checkMove(scene: Scene, before: Job, after: Job): void {
  const name = scene.shortOf(before.id);
  const { method } = scene.call;
  if (after.attempt < before.attempt) scene.broken("J2", `job ${name} counts fewer attempts than before`);
  if (isFinished(before.state)) {
    const revived = method === "jobs.change" && before.state !== "completed" && after.state === "pending";
    if (!revived) scene.broken("J1", `job ${name} was ${before.state} and is ${after.state} after ${method}`);
    return;
  }
  if (before.input !== after.input) checkReplaced(scene, before, after);
  if (before.state === "active" && after.state === "active") {
    const otherLease = before.token !== after.token || before.attempt !== after.attempt;
    if (otherLease && method !== "jobs.claim") scene.broken("J2", `job ${name} has another lease after ${method}`);
  }
  if (before.state === "pending" && after.state === "active" && method !== "jobs.claim") {
    scene.broken("J2", `job ${name} is leased after ${method}`);
  }
  if (isFinished(after.state)) checkEnd(scene, before, after);
}

function checkReplaced(scene: Scene, before: Job, after: Job): void {
  const name = scene.shortOf(before.id);
  if (scene.call.method !== "jobs.insert") scene.broken("T3", `${scene.call.method} changed the input of ${name}`);
  if (before.state === "active") scene.broken("T3", `job ${name} was given another input while it was active`);
  const request = requestOf(before);
  if (request !== undefined && scene.picture.requests.get(request) === before.id) {
    scene.picture.requests.delete(request);
  }
  carry(scene, after);
}

/** J1: every end has its cause. */
function checkEnd(scene: Scene, before: Job, after: Job): void {
  const name = scene.shortOf(before.id);
  const { method } = scene.call;
  const end = `${after.state} (${after.endCause ?? "no cause"}) after ${method}`;
  const bySchedule = before.schedule !== undefined && method.startsWith("schedules.");
  switch (after.state) {
    case "completed":
      if (method !== "jobs.settle") scene.broken("J1", `job ${name} is ${end}`);
      break;
    case "cancelled": {
      // A store that went back has forgotten who asked.
      const forgotten = (before.claimedAt ?? scene.now) <= scene.wentBackAt;
      const asked = before.cancelRequested === true || bySchedule || method === "jobs.change" || forgotten;
      if (!asked) scene.broken("J1", `job ${name} is ${end}, and nobody had asked`);
      break;
    }
    default: {
      const superseded = method === "jobs.claim" && after.endCause === "superseded";
      if (method !== "jobs.settle" && !superseded) scene.broken("J1", `job ${name} is ${end}`);
      if (after.endCause === "superseded") {
        scene.count("superseded jobs");
        if (!hadSuccessor(scene, before)) scene.broken("T3", `job ${name} is ${end}, without a successor`);
      }
    }
  }
}

/** Whether a successor waited for the job before the step. */
export function hadSuccessor(scene: Scene, job: Job): boolean {
  if (job.key === undefined) return false;
  return scene.picture
    .ofKey(job)
    .concat([...scene.jobs.values()].flatMap(({ before }) => before ?? []))
    .some((other) => keyOf(other) === keyOf(job) && scene.before(other.id)?.successor === true);
}

/** T2: one current and one successor at most; the successor waits for a current that is active. */
function checkKey(scene: Scene, job: Job): void {
  if (job.key === undefined) return;
  const jobs = scene.picture.ofKey(job);
  const successors = jobs.filter(({ successor }) => successor === true);
  const currents = jobs.filter(({ successor }) => successor !== true);
  const key = `key ${job.key}`;
  if (currents.length > 1) scene.broken("T2", `${key} has ${currents.length} current jobs`);
  if (successors.length > 1) scene.broken("T2", `${key} has ${successors.length} successors`);
  const [successor] = successors;
  if (successor === undefined) return;
  if (successor.state !== "pending") scene.broken("T2", `the successor of ${key} is ${successor.state}`);
  const [current] = currents;
  if (current === undefined) scene.broken("T3", `${key} has a successor that waits for nothing`);
  else if (current.state !== "active")
    scene.broken("T3", `${key} waits again as ${current.state} beside its successor`);
}
