// What processes that follow one journal hold in their memory, item by item: it must be the same for all.
import type { Engine } from "../../../src/core/engine.ts";
import { named, unequal } from "../chaos/remains.ts";

/** All that an engine holds, each item as JSON, in one order for all engines. */
export async function itemsOf({ transfer }: Engine<never>): Promise<string[]> {
  const items: string[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await transfer.read({ limit: 500, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items.map((item) => JSON.stringify(item)));
    cursor = page.next;
  }
  return items;
}

/** How what one holds that has followed all the time differs from what one reads that begins now. */
export async function differencesOf(followed: Engine<never>, fresh: Engine<never>): Promise<readonly string[]> {
  const [ofOne, ofOther] = [await itemsOf(followed), await itemsOf(fresh)];
  return [
    ...unequal("items of a process that followed, and of one that began anew", ofOne.length, ofOther.length),
    ...named(
      "not as a process reads it that began anew",
      ofOne.flatMap((item, index) => (item === ofOther[index] ? [] : [`${item} but ${ofOther[index]}`])),
    ),
  ];
}
