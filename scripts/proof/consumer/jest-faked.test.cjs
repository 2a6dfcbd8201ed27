// Jest with its fake timers on before anything is loaded.
const punctual = require("punctual");
const testing = require("punctual/testing");
const { kitFacts } = require("./kit-facts.cjs");

test("the timers are fake", () => expect(jest.getTimerCount()).toBe(0));

for (const { name, run } of kitFacts({ punctual, testing })) test(name, run);
