// Registers the whole suite with a test runner for one mode of one engine, each fact on a store of its own.
import assert from "node:assert/strict";
import type { Harness } from "./harness.ts";
import { chapters, factCount } from "./suite.ts";

/** The two functions of a test runner that the suite needs: those of Vitest, Jest and `node:test` do. */
export interface ConformanceRunner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly test: (title: string, body: () => Promise<void>) => unknown;
}

/**
 * Registers every fact; the last test says how many have run, the same number for every mode of every engine.
 * @param mode the title of the outermost group, such as "postgres, behind a pooler"
 * @param open a fresh, empty store for one fact
 */
export function runConformance(runner: ConformanceRunner, mode: string, open: () => Promise<Harness>): void {
  const { describe, test } = runner;
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

    test(`all ${factCount} facts have run`, async () => {
      assert.equal(ran, factCount);
      const titles = chapters.flatMap((chapter) => chapter.facts.map((fact) => fact.title));
      assert.equal(new Set(titles).size, factCount, "no two facts have one title");
      for (const title of titles) assert.match(title, /^[JTSNO]\d+ [a-zA-Z0-9]/, "a title begins with its promise");
    });
  });
}
