// node:test with the kit and the conformance suite, required.
const { describe, test } = require("node:test");
const punctual = require("punctual");
const { memory } = require("punctual/memory");
const testing = require("punctual/testing");
const { runConformance, TestClock } = require("punctual/testing/conformance");
const { conformance, kitFacts } = require("./kit-facts.cjs");

for (const { name, run } of kitFacts({ punctual, testing })) test(name, run);
conformance({ memory, runConformance, TestClock }, { describe, test });
