// On a Node without node:sqlite the error names the package to install instead; nothing else is hurt.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { sqlite } from "punctual/sqlite";

const required = createRequire(import.meta.url)("punctual/sqlite");
for (const engine of [sqlite("never.db"), required.sqlite("never.db")]) {
  await assert.rejects(
    engine.open(),
    ({ code, mend }) => code === "ENGINE_NOT_CONFIGURED" && /better-sqlite3/.test(mend),
  );
}
