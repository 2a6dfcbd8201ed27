// The end of random work: all that is left of it is worked off, so that what never ends shows.
import { isFinished } from "../../src/core/job.ts";
import { claimRequest, completion, schedulePut, secondMs } from "../../src/testing/conformance/builders.ts";
import { type Client, queues } from "./workload.ts";

/** Nothing more is done by anyone: all that is left is worked off, and nothing may be. @returns what is left nevertheless */
export async function drain({ engine, pass }: Pick<Client, "engine" | "pass">, accepted: Iterable<string>) {
  const left: string[] = [];
  const stored = (await engine.schedules.list({}, { limit: 100 })).items;
  await engine.schedules.put(
    stored.map(({ tenant, id, definition: of }) => schedulePut({ tenant, id, definition: of, enabled: false })),
  );
  await engine.queues.put([...queues, "*"].map((name) => ({ name, paused: false })));
  for (let round = 0, idle = 0; idle < 3 && round < 2_000; round++) {
    const wants = queues.map((queue) => ({ queue, limit: 50 }));
    const { jobs } = await engine.jobs.claim(claimRequest({ wants, leaseMs: secondMs }));
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    idle = jobs.length === 0 ? idle + 1 : 0;
    if (jobs.length === 0) pass(60 * secondMs);
  }
  for (const { tenant, id, held } of (await engine.schedules.list({}, { limit: 100 })).items) {
    if (held !== undefined) left.push(`S5 ${tenant} ${id} holds the tick ${held.tick}`);
  }
  for (const { id } of (await engine.jobs.list({ states: ["pending", "active"] }, { limit: 100 })).items) {
    left.push(`J1 ${id} never ends`);
  }
  for (const id of accepted) {
    const job = await engine.jobs.get(id);
    if (job !== undefined && !isFinished(job.state)) left.push(`J1 ${id} is ${job.state}`);
  }
  return left;
}
