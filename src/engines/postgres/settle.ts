// Settling attempts. Plain completions, of jobs without key or schedule, go in one statement; all others the way of core's
// steps. Of each queue only the newest completions are written to the history: retention would delete the others (J10).
import { defaults } from "../../core/defaults.ts";
import type { SettleAnswer } from "../../core/engine.ts";
import { answersOf, outcomesOf } from "../../core/partial-failure.ts";
import type { Settlement } from "../../core/settling.ts";
import { settleJob } from "../../core/steps/settle.ts";
import type { Names } from "../../core/workspace/names.ts";
import { type Batch, completePlain, plainBatches } from "./completing.ts";
import type { TransactionOptions } from "./connections.ts";
import { heldUp, isLockTimeout, isWorthRepeating } from "./faults.ts";
import { type FindHeld, heldAmong } from "./held-rows.ts";
import type { Steps } from "./steps.ts";
import { eachAlone } from "./together.ts";

const settled: SettleAnswer = { outcome: "settled", state: "completed" };

/** Records how attempts ended, in the order of the list. */
export async function settleAll(steps: Steps, settlements: readonly Settlement[]): Promise<SettleAnswer[]> {
  const findHeld = heldAmong(steps, nameSettlement);
  const { done, held } = await settlePlainly(steps, settlements, findHeld);
  const left = settlements.filter((one) => !done.has(one) && !held.has(one));
  if (left.length + held.size === 0) return settlements.map(() => settled);
  const careful = await outcomesOf(left.length, () =>
    eachAlone(left, (some, options) => settleCarefully(steps, some, options), findHeld),
  );
  const outcomes = new Map(left.map((one, index) => [one, careful[index]]));
  return answersOf(
    settlements.map((one) => outcomes.get(one) ?? (held.has(one) ? { error: held.get(one) } : { answer: settled })),
  );
}

/** What was settled by one statement, and what cannot be: another transaction holds it. */
interface Plainly {
  readonly done: ReadonlySet<Settlement>;
  readonly held: ReadonlyMap<Settlement, unknown>;
}

const nothing: Plainly = { done: new Set(), held: new Map() };

async function settlePlainly(
  steps: Steps,
  settlements: readonly Settlement[],
  findHeld: FindHeld<Settlement>,
): Promise<Plainly> {
  if (steps.connections.joined || steps.context.history.auditsAll) return nothing;
  const batches = plainBatches(settlements);
  const ended = await Promise.all(
    batches.map((batch) =>
      endBatch(steps, batch, findHeld).catch((error: unknown): Plainly => {
        if (batches.length === 1) throw error;
        // What another statement has ended is ended.
        return { ...nothing, held: new Map(batch.settlements.map((one) => [one, error])) };
      }),
    ),
  );
  return {
    done: new Set(ended.flatMap(({ done }) => [...done])),
    held: new Map(ended.flatMap(({ held }) => [...held])),
  };
}

async function endBatch(steps: Steps, batch: Batch, findHeld: FindHeld<Settlement>): Promise<Plainly> {
  try {
    return { ...nothing, done: new Set(await completePlain(steps, batch)) };
  } catch (error) {
    // The careful way repeats what was in the way of another, and finds an id that the history has already.
    if (isWorthRepeating(error)) return nothing;
    if (!isLockTimeout(error)) throw error;
    const found = await findHeld(batch.settlements);
    const held = new Map([...found].map((one) => [one, heldUp(error)]));
    if (held.size === 0) return nothing;
    const free = batch.settlements.filter((one) => !held.has(one));
    return { done: new Set(await completePlain(steps, { ...batch, settlements: free }).catch(carefully)), held };
  }
}

/** What a plain statement could not do is left to the careful way. */
function carefully(error: unknown): readonly Settlement[] {
  if (isWorthRepeating(error) || isLockTimeout(error)) return [];
  throw error;
}

function nameSettlement(names: Names, { lease }: Settlement): void {
  names.jobs.add(lease.id);
  names.queues.add(lease.queue);
}

function settleCarefully(
  steps: Steps,
  settlements: readonly Settlement[],
  options: TransactionOptions,
): Promise<SettleAnswer[]> {
  return steps.run(
    (names) => {
      for (const settlement of settlements) nameSettlement(names, settlement);
    },
    (workspace) => settlements.map((settlement) => settleJob(workspace, settlement)),
    // Others of the worker wait for this one: it is settled again later instead.
    steps.connections.joined ? options : { patienceMs: defaults.postgres.batchPatienceMs, ...options },
  );
}
