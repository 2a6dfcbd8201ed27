// Items of one call in one transaction; where one of them cannot be done, each by itself, so that it fails alone.
import { defaults } from "../../core/defaults.ts";
import { NotWrittenError } from "../../core/errors.ts";
import { answersOf, type Outcome } from "../../core/partial-failure.ts";
import type { TransactionOptions } from "./connections.ts";
import { isLockTimeout } from "./faults.ts";

/**
 * Does all at once, or one after another when another transaction holds what one of them needs. An item alone waits for it;
 * several wait shortly, as most of them have no part in it.
 * @throws PartialFailure when some were held up
 */
export async function eachAlone<Item, Answer>(
  items: readonly Item[],
  work: (items: readonly Item[], options: TransactionOptions) => Promise<Answer[]>,
): Promise<Answer[]> {
  if (items.length < 2) return work(items, {});
  try {
    return await work(items, { patienceMs: defaults.postgres.batchPatienceMs });
  } catch (error) {
    if (!isHeldUp(error)) throw error;
  }
  const each: Outcome<Answer>[] = [];
  for (const item of items) {
    try {
      const [answer] = await work([item], { patienceMs: defaults.postgres.alonePatienceMs });
      each.push({ answer: answer as Answer });
    } catch (error) {
      each.push({ error });
    }
  }
  return answersOf(each);
}

/** Whether a call failed for a row that another transaction holds. */
export function isHeldUp(error: unknown): boolean {
  return isLockTimeout(error) || (error instanceof NotWrittenError && isLockTimeout(error.cause));
}
