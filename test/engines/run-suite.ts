// The conformance suite under Vitest.
import { describe, test } from "vitest";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { runConformance } from "../../src/testing/conformance/run.ts";

/** Registers every fact for one mode of one engine. */
export function runSuite(mode: string, open: () => Promise<Harness>): void {
  runConformance({ describe, test }, mode, open);
}
