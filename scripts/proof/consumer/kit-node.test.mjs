// node:test with the kit and the conformance suite, imported.
import { describe, test } from "node:test";
import * as punctual from "punctual";
import { memory } from "punctual/memory";
import * as testing from "punctual/testing";
import { runConformance, TestClock } from "punctual/testing/conformance";
import facts from "./kit-facts.cjs";

for (const { name, run } of facts.kitFacts({ punctual, testing })) test(name, run);
facts.conformance({ memory, runConformance, TestClock }, { describe, test });
