// A listing as a whole, for proofs that look at everything.
import type { Page } from "punctual";

/** The items of every page of a listing. */
export async function allPages<Item>(
  list: (page: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(cursor === undefined ? { limit: 1_000 } : { limit: 1_000, cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}
