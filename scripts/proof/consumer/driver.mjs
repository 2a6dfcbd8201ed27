// The optional peer better-sqlite3: the user opens the database and hands it in, to either copy.
import { createRequire } from "node:module";
import Database from "better-sqlite3";
import * as imported from "punctual";
import { sqlite } from "punctual/sqlite";
import facts from "./facts.cjs";

const require = createRequire(import.meta.url);
const required = require("punctual");
for (const [punctual, open] of [
  [imported, sqlite],
  [required, require("punctual/sqlite").sqlite],
]) {
  const database = new Database(":memory:");
  await facts.checkFacts({ scheduler: punctual, definitions: punctual, engine: open(database) });
  database.close();
}
