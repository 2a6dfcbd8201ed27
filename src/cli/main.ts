#!/usr/bin/env node
// The `punctual` command.
import { silenceSqliteWarning } from "./quiet.ts";
import { run } from "./run.ts";

silenceSqliteWarning();
// A reader that has left (`punctual jobs list | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (!("code" in error && error.code === "EPIPE")) throw error;
  });
}
const exitCode = await run(process.argv.slice(2));
// What a tasks file or a config left open must not keep a finished command from ending.
process.stdout.write("", () => process.exit(exitCode));
