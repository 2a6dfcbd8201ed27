// Items of one call in one transaction; what another transaction holds fails those that need it, and what the server refuses
// of one fails that one, and nobody else.
import { defaults } from "../../core/defaults.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { answersOf, type Outcome } from "../../core/partial-failure.ts";
import type { TransactionOptions } from "./connections.ts";
import { heldUp, isLockTimeout, isOfValue } from "./faults.ts";
import type { FindHeld } from "./held-rows.ts";

type Work<Item, Answer> = (items: readonly Item[], options: TransactionOptions) => Promise<Answer[]>;

const nobody = async (): Promise<ReadonlySet<never>> => new Set<never>();

/**
 * Does all at once. When another transaction holds what one of them needs, those of which a look tells so fail, and the
 * rest is done at once; where no look tells, each is done by itself. An item alone waits for what it needs; several wait
 * shortly, as most of them have no part in it.
 * @throws PartialFailure when some were held up
 */
export async function eachAlone<Item, Answer>(
  items: readonly Item[],
  work: Work<Item, Answer>,
  findHeld: FindHeld<Item> = nobody,
): Promise<Answer[]> {
  if (items.length < 2) {
    return work(items, {}).catch((error: unknown) => {
      throw asRefused(error);
    });
  }
  const whole = await together(items, work);
  if ("answers" in whole) return whole.answers;
  const held = isLockTimeout(whole.error) ? await findHeld(items) : new Set<Item>();
  const free = items.filter((item) => !held.has(item));
  const done = held.size === 0 ? whole : await together(free, work);
  const each = "answers" in done ? done.answers.map((answer) => ({ answer })) : await oneByOne(free, work);
  const outcomes = new Map(free.map((item, index) => [item, each[index]]));
  return answersOf(items.map((item) => outcomes.get(item) ?? { error: heldUp(whole.error) }));
}

async function together<Item, Answer>(
  items: readonly Item[],
  work: Work<Item, Answer>,
): Promise<{ readonly answers: Answer[] } | { readonly error: unknown }> {
  if (items.length === 0) return { answers: [] };
  try {
    return { answers: await work(items, { patienceMs: defaults.postgres.batchPatienceMs }) };
  } catch (error) {
    if (isLockTimeout(error) || isOfValue(error)) return { error };
    throw error;
  }
}

async function oneByOne<Item, Answer>(items: readonly Item[], work: Work<Item, Answer>): Promise<Outcome<Answer>[]> {
  const each: Outcome<Answer>[] = [];
  for (const item of items) {
    try {
      const [answer] = await work([item], { patienceMs: defaults.postgres.alonePatienceMs });
      each.push({ answer: answer as Answer });
    } catch (error) {
      each.push({ error: asRefused(error) });
    }
  }
  return each;
}

/** What the server takes never is the caller's to mend: it is no failure of the store. */
export function asRefused(error: unknown): unknown {
  if (!isOfValue(error)) return error;
  return new InvalidInputError("text must not contain a NUL character or half of a surrogate pair", {
    field: "text",
    cause: error,
  });
}

/** Whether a call failed for a row that another transaction holds. */
export function isHeldUp(error: unknown): boolean {
  return isLockTimeout(error);
}
