// S2 and the ticks: each tick makes one job, is held, or is recorded as skipped; none vanishes, none comes twice.
import { defaults } from "../../src/core/defaults.ts";
import type { FireAnswer, FireRequest } from "../../src/core/engine.ts";
import { isFinished } from "../../src/core/job.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Scene } from "./scene.ts";

export function checkFire(scene: Scene, { only }: FireRequest, { fired }: FireAnswer): void {
  for (const { tenant, id, ticks, skipped } of fired) {
    scene.count("ticks fired", ticks.length);
    for (const { reason } of skipped) scene.count(`ticks skipped: ${reason}`);
    for (const { tick, job } of ticks) {
      const after = scene.picture.jobs.get(job);
      if (after === undefined) scene.broken("S2", `tick ${tick} of ${id} was fired and has no job`);
      else if (isFinished(after.state) && scene.jobs.has(job)) {
        scene.broken("J15", `what fired tick ${tick} of ${id} ended its own job ${scene.shortOf(job)}`);
      }
      if (scene.before(job) !== undefined) checkMadeAgain(scene, id);
      if (tick < scene.now - defaults.tickLateMs) scene.count("ticks caught up");
    }
    const change = scene.schedules.get(`${tenant}\n${id}`);
    const counted = ticks.length + skipped.reduce((sum, { count }) => sum + count, 0);
    if (change?.before !== undefined && change.after !== undefined) {
      checkNoneVanished(scene, change.before, change.after, counted, only !== undefined);
    }
  }
}

/** J15: a trigger that had been done before does nothing more. */
function checkMadeAgain(scene: Scene, schedule: string): void {
  scene.count("triggers made again");
  for (const [job, { after }] of scene.jobs) {
    if (after?.state !== "cancelled") continue;
    scene.broken("J15", `a trigger of ${schedule} made again cancelled ${scene.shortOf(job)}`);
  }
}

/** All the ticks that the cursor passed, and the one that was held, are accounted for. */
function checkNoneVanished(scene: Scene, before: Schedule, after: Schedule, counted: number, asked: boolean): void {
  const { rule } = before.definition;
  if (rule.kind !== "every" || !before.enabled || !after.enabled || before.incarnation !== after.incarnation) return;
  const periodMs = rule.everyMs;
  const passed = Math.floor(after.cursor.after / periodMs) - Math.floor(before.cursor.after / periodMs);
  const came = passed + Number(before.held !== undefined);
  const went = counted + Number(after.held !== undefined);
  if (asked ? went > came + 1 : came !== went) {
    scene.broken("S2", `${came} ticks of ${before.id} came, and ${went} were fired, held or skipped`);
  }
}

/** Checks each schedule that the step changed, or whose jobs it changed. */
export function checkSchedules(scene: Scene): void {
  for (const { before, after } of scene.schedules.values()) {
    if (before === undefined || after === undefined || before.incarnation !== after.incarnation) continue;
    if (after.cursor.after < before.cursor.after) scene.broken("S2", `the cursor of ${after.id} went back`);
  }
  const looked = new Set<Schedule>();
  for (const { after } of scene.schedules.values()) if (after !== undefined) looked.add(after);
  for (const { after } of scene.jobs.values()) {
    const schedule = scene.picture.schedules.get(`${after?.tenant}\n${after?.schedule?.id}`);
    if (schedule !== undefined) looked.add(schedule);
  }
  for (const { id, held, enabled, incarnation } of looked) {
    if (held === undefined || !enabled) continue;
    scene.count("ticks held");
    if (scene.picture.countUnfinished(incarnation) === 0) {
      scene.broken("J1", `the held tick ${held.tick} of ${id} waits for nothing`);
    }
  }
}
