// Jobs, a schedule and refusals on SQLite and in memory, all of it imported.
import { rmSync } from "node:fs";
import * as punctual from "punctual";
import { connect } from "punctual/connect";
import { memory } from "punctual/memory";
import { sqlite } from "punctual/sqlite";
import facts from "./facts.cjs";

rmSync("import.db", { force: true });
const engines = [sqlite("import.db"), memory(), await connect("sqlite::memory:")];
await Promise.all(engines.map((engine) => facts.checkFacts({ scheduler: punctual, definitions: punctual, engine })));
