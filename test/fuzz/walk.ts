// Reads a listing to its end.
import type { Page } from "../../src/core/page.ts";

/** Every item of a listing. */
export async function walk<Item>(
  list: (cursor: {
    readonly cursor?: string;
  }) => Promise<Pick<Page<Item>, "items"> & { readonly next?: string | undefined }>,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (let cursor: string | undefined, pages = 0; ; pages++) {
    if (pages > 2_000) throw new Error("a listing that does not end");
    const page = await list(cursor === undefined ? {} : { cursor });
    items.push(...page.items);
    if (page.next === undefined) return items;
    cursor = page.next;
  }
}
