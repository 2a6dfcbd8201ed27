// Jobs, a schedule and refusals on SQLite and in memory, all of it required.
const { rmSync } = require("node:fs");
const punctual = require("punctual");
const { connect } = require("punctual/connect");
const { memory } = require("punctual/memory");
const { sqlite } = require("punctual/sqlite");
const { checkFacts } = require("./facts.cjs");

rmSync("require.db", { force: true });
async function main() {
  const engines = [sqlite("require.db"), memory(), await connect("sqlite::memory:")];
  await Promise.all(engines.map((engine) => checkFacts({ scheduler: punctual, definitions: punctual, engine })));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
