// Without an engine's driver, or on a Node without node:sqlite, the error names what to install; nothing else is hurt.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { nats } from "punctual/nats";
import { redis } from "punctual/redis";
import { sqlite } from "punctual/sqlite";

const require = createRequire(import.meta.url);
const engines = [
  [sqlite("never.db"), /better-sqlite3/],
  [require("punctual/sqlite").sqlite("never.db"), /better-sqlite3/],
  [redis("redis://never"), /npm install ioredis/],
  [require("punctual/redis").redis("redis://never"), /npm install ioredis/],
  [nats("nats://never"), /npm install @nats-io\/transport-node @nats-io\/jetstream/],
  [require("punctual/nats").nats("nats://never"), /npm install @nats-io\/transport-node @nats-io\/jetstream/],
];
for (const [engine, install] of engines) {
  await assert.rejects(engine.open(), ({ code, mend }) => code === "ENGINE_NOT_CONFIGURED" && install.test(mend));
}
