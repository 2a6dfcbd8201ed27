// Poison: a job that has crashed its workers again and again runs alone in its process.
import { expect, test } from "vitest";
import { mintToken } from "../../src/core/id.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { createScheduler, handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";

test("J4 nothing is started beside a job that has crashed its workers twice, and all of it after", async () => {
  const clock = new VirtualClock();
  const engine = memory({ clock });
  const begun: string[] = [];
  let finish = () => {};
  const work = task<string>("work");
  const scheduler = createScheduler({
    engine,
    clock,
    handlers: [
      handle(work, async (name) => {
        begun.push(name);
        if (name === "suspect") await new Promise<void>((resolve) => (finish = resolve));
      }),
    ],
  });
  await scheduler.enqueue(work, "suspect");
  // Three workers take it, start it and are never heard of again.
  for (let worker = 1; worker <= 3; worker++) {
    const wants = [{ queue: "default", limit: 1 }];
    const lease = { claimId: mintToken([worker, worker]), worker: `dead-${worker}`, leaseMs: 1_000 };
    const { jobs } = await engine.jobs.claim({ ...lease, wants, limit: 1, starts: 1, bytesMax: 1_000 });
    expect(jobs).toMatchObject([{ crashes: worker - 1 }]);
    await clock.advance(1_000);
  }
  for (const name of ["a", "b", "c"]) await scheduler.enqueue(work, name);
  await scheduler.start({ roles: ["worker"] });
  await clock.advance(5_000);
  expect(begun).toEqual(["suspect"]);
  finish();
  await clock.advance(1_000);
  expect(begun).toEqual(["suspect", "a", "b", "c"]);
  await scheduler.stop();
});
