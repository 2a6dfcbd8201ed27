// Settling attempts. Completions of jobs that have neither key nor schedule end in one script, by number and lease; all
// else, and what that script does not take, goes the way of core's steps.
import type { SettleAnswer } from "../../core/engine.ts";
import { answersOf, type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import type { Settlement } from "../../core/settling.ts";
import { settleJob } from "../../core/steps/settle.ts";
import { seqText } from "./row-head.ts";
import { settlementText } from "./rows.ts";
import { completeScript } from "./scripts/complete.ts";
import type { Steps } from "./steps.ts";

/** Attempts that are settled in one step, at most. */
const batchMax = 500;

const completed: SettleAnswer = { outcome: "settled", state: "completed" };

/** Records how attempts ended, in the order of the list. */
export async function settleAll(steps: Steps, settlements: readonly Settlement[]): Promise<SettleAnswer[]> {
  const done = new Set<Settlement>();
  if (!steps.access.history.auditsAll) {
    const plain = settlements.filter(({ outcome }) => outcome === "complete");
    if (plain.length > 0) {
      const ended = await completePlain(steps, plain);
      for (const [index, settlement] of plain.entries()) if (ended[index] === 1) done.add(settlement);
    }
  }
  if (done.size === settlements.length) return settlements.map(() => completed);
  const left = settlements.filter((one) => !done.has(one));
  if (done.size === 0 && left.length <= batchMax) return await settleCarefully(steps, left);
  // What is settled is settled, whatever becomes of the others.
  const careful: Outcome<SettleAnswer>[] = [];
  for (let from = 0; from < left.length; from += batchMax) {
    const some = left.slice(from, from + batchMax);
    careful.push(...(await outcomesOf(some.length, () => settleCarefully(steps, some))));
  }
  const outcomes = new Map(left.map((one, index) => [one, careful[index]]));
  return answersOf(settlements.map((one) => outcomes.get(one) ?? { answer: completed }));
}

async function completePlain(steps: Steps, settlements: readonly Settlement[]): Promise<readonly number[]> {
  const { client, history } = steps.access;
  const args: (string | number)[] = [steps.access.testNow(), history.completedCountMax];
  for (const settlement of settlements) {
    const { lease, keep } = settlement;
    args.push(typeof lease.ref === "number" ? seqText(lease.ref) : "", lease.id, lease.token, lease.attempt);
    args.push(keep === "nothing" ? "-" : (keep.ageMs ?? ""), settlementText(settlement));
  }
  return (await client.run(completeScript, args)) as readonly number[];
}

function settleCarefully(steps: Steps, settlements: readonly Settlement[]): Promise<SettleAnswer[]> {
  return steps.run(
    (names) => {
      for (const { lease } of settlements) {
        names.jobs.add(lease.id);
        names.queues.add(lease.queue);
      }
    },
    (workspace) => settlements.map((settlement) => settleJob(workspace, settlement)),
  );
}
