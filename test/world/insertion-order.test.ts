// Listings by insertion, beyond the number of entries at which stale ones are forgotten.
import { expect, test } from "vitest";
import { resolveHistory } from "../../src/core/history.ts";
import type { Job } from "../../src/core/job.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { World } from "../../src/world/world.ts";

/** More than two times what is kept before the first look for stale ones. */
const count = 2_500;

async function rows(): Promise<{ readonly seq: number; readonly job: Job }[]> {
  const engine = memory();
  await engine.open();
  for (let from = 0; from < count; from += 10) {
    await engine.jobs.insert([{ jobs: Array.from({ length: 10 }, () => newJob()) }]);
  }
  const { items } = await engine.jobs.list({}, { limit: 2 * count, sort: "oldest" });
  return items.map((job, index) => ({ seq: index + 1, job }));
}

test("every job that was inserted is listed once, in order, however many there are", async () => {
  const listed = await rows();
  expect(listed).toHaveLength(count);
  expect(new Set(listed.map(({ job }) => job.id)).size).toBe(count);
});

test("so is every job that came from another process, many at a time", async () => {
  const all = await rows();
  const world = new World({ now: Date.now }, resolveHistory({}));
  for (let from = 0; from < count; from += 400) world.replaceJobs(all.slice(from, from + 400), [], Date.now());
  expect([...world.insertionOrder.beyond(undefined, false)]).toEqual(all.map(({ job }) => job.id));
});
