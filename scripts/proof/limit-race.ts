// Proof of N2 and J12 across processes, on one SQLite file: of 8 processes that each create 25 schedules against a limit of
// 20 exactly 20 calls succeed, the others get LimitExceededError; the same of 8 x 25 enqueues; and several workers together
// never exceed a queue's or a tenant's concurrency and rate.
// Usage: node --conditions=source scripts/proof/limit-race.ts [--rounds 5]
import { parseArgs } from "node:util";
import { raceForLimit, workLimits, workWithinLimits } from "./limit-race-stage.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(flags.rounds);
const [processes, calls, limit] = [8, 25, 20];
const verdict = new Verdict();

for (const what of ["create", "enqueue"] as const) {
  const accepted: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const outcome = await raceForLimit(what, { processes, calls, limit });
    accepted.push(outcome.accepted);
    verdict.require(outcome.accepted === limit, `${what}, round ${round}: ${outcome.accepted} accepted, not ${limit}`);
    verdict.require(outcome.stored === limit, `${what}, round ${round}: ${outcome.stored} stored, not ${limit}`);
    const refusals = processes * calls - limit;
    verdict.require(
      outcome.refused === refusals,
      `${what}, round ${round}: ${outcome.refused} refused, not ${refusals}`,
    );
    verdict.require(outcome.errors.length === 0, `${what}, round ${round}: ${outcome.errors[0]}`);
  }
  verdict.figure(`${processes} processes x ${calls} ${what} calls, limit ${limit}: accepted`, accepted.join(" "));
}

const { queue, serialTenant, slowTenant } = workLimits;
for (let round = 1; round <= rounds; round++) {
  const work = await workWithinLimits(4, 40);
  const { queueAtOnce, queuePerPeriod, serialAtOnce, slowPerPeriod } = work;
  console.log(`\nround ${round}: ${work.processes} worker processes, ${work.completed} of ${work.jobs} jobs`);
  verdict.figure(`queue of concurrency ${queue.concurrency}: most at once`, queueAtOnce);
  verdict.figure(`queue of ${queue.count} per ${queue.periodMs} ms: most in one period`, queuePerPeriod);
  verdict.figure(`tenant of concurrency ${serialTenant.concurrency} over two queues: most at once`, serialAtOnce);
  verdict.figure(`tenant of ${slowTenant.count} per ${slowTenant.periodMs} ms: most in one period`, slowPerPeriod);
  verdict.require(work.completed === work.jobs, `${work.completed} of ${work.jobs} jobs were done`);
  verdict.require(queueAtOnce <= queue.concurrency, `the queue ran ${queueAtOnce} at once`);
  verdict.require(queuePerPeriod <= queue.count, `the queue gave ${queuePerPeriod} in a period`);
  verdict.require(serialAtOnce <= serialTenant.concurrency, `the serial tenant ran ${serialAtOnce} at once`);
  verdict.require(slowPerPeriod <= slowTenant.count, `the slow tenant was given ${slowPerPeriod} in a period`);
  verdict.require(work.errors.length === 0, `round ${round}: ${work.errors[0]}`);
}
verdict.conclude("limit-race");
