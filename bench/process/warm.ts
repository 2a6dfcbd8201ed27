// Warming a worker process: it drains some jobs on a store of their own first, so that a run measures compiled code, as
// a process that lives for days runs it, and not how fast the first third of a second is.
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Subject } from "../runner/subject.ts";
import type { Role } from "./actor.ts";
import { Desk } from "./desk.ts";

/** Jobs in one bulk call. */
const bulkSize = 1_000;

export async function warmUp(subject: Subject, { folder, config, warmUrl, warmJobs }: Role): Promise<void> {
  const can = (ability: "enqueue" | "work") => subject.abilities.includes(ability);
  if (warmJobs === 0 || !can("enqueue") || !can("work")) return;
  const scratch = await mkdtemp(join(folder, "warm-"));
  const store = warmUrl === undefined ? {} : { url: warmUrl };
  const desk = new Desk(await subject.open({ folder: scratch, config, ...store }), undefined);
  await desk.enqueueBulk(0, warmJobs, bulkSize);
  await desk.work(warmJobs);
  const { stalled } = await desk.drained(warmJobs);
  await desk.close();
  await rm(scratch, { recursive: true, force: true });
  if (stalled) throw new Error(`${subject.name} did not drain the ${warmJobs} jobs that were to warm it`);
}
