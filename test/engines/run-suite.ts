// Registers the whole conformance suite with Vitest for one mode of one engine, each fact on a store of its own.
import assert from "node:assert/strict";
import { describe, test } from "vitest";
import type { Harness } from "../conformance/harness.ts";
import { chapters, factCount } from "../conformance/suite.ts";

/** Runs every fact; the last test says how many there were, the same number in every mode. */
export function runSuite(mode: string, open: () => Promise<Harness>): void {
  let ran = 0;
  describe(mode, () => {
    for (const chapter of chapters) {
      describe(chapter.title, () => {
        for (const fact of chapter.facts) {
          test(fact.title, async () => {
            ran++;
            const harness = await open();
            try {
              await fact.run(harness);
            } finally {
              await harness.close();
            }
          });
        }
      });
    }

    test(`all ${factCount} facts have run`, () => {
      assert.equal(ran, factCount);
      const titles = chapters.flatMap((chapter) => chapter.facts.map((fact) => fact.title));
      assert.equal(new Set(titles).size, factCount, "no two facts have one title");
      for (const title of titles) assert.match(title, /^[JTSNO]\d+ [a-zA-Z0-9]/, "a title begins with its promise");
    });
  });
}
