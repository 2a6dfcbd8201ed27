// Two copies of the package in one process, one imported and one required, each with the other's engine and definitions.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";
import * as imported from "punctual";
import { memory } from "punctual/memory";
import { sqlite } from "punctual/sqlite";
import { VirtualClock } from "punctual/testing";
import facts from "./facts.cjs";

const require = createRequire(import.meta.url);
const required = require("punctual");
const other = { sqlite: require("punctual/sqlite").sqlite, memory: require("punctual/memory").memory };
assert.notEqual(imported.PunctualError, required.PunctualError, "these were to be two copies");

await Promise.all(
  [
    { scheduler: imported, definitions: imported, engine: other.sqlite(":memory:") },
    { scheduler: imported, definitions: imported, engine: other.memory() },
    { scheduler: required, definitions: required, engine: sqlite(":memory:") },
    { scheduler: required, definitions: required, engine: memory() },
    { scheduler: imported, definitions: required, engine: other.sqlite(":memory:") },
    { scheduler: required, definitions: imported, engine: memory() },
  ].map(facts.checkFacts),
);

// The virtual clock of one copy under the scheduler and the engine of the other.
const clock = new VirtualClock();
const timed = required.createScheduler({ engine: other.memory({ clock }), clock, handlers: [] });
const greet = required.task("greet");
let ranAt;
timed.handle(
  imported.handle(greet, () => {
    ranAt = clock.now();
  }),
);
const startedAt = clock.now();
await timed.start();
await timed.enqueue(greet, {}, { delay: "1h" });
await clock.advance(3_600_000);
assert.equal(ranAt - startedAt, 3_600_000);
await timed.stop();

// A transaction of the user's own, joined by the scheduler of the one copy over the engine of the other.
const database = new DatabaseSync(":memory:");
const joined = imported.createScheduler({ engine: other.sqlite(database) });
await joined.stats();
database.exec("BEGIN");
await joined.using(database).enqueue("later", {});
database.exec("ROLLBACK");
assert.equal((await joined.jobs.list()).items.length, 0);
await joined.stop();
