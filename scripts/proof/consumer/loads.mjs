// Which modules importing "punctual" and making a scheduler loads: one URL a line. Modules are told by a loader's hooks.
import { register } from "node:module";

const hooks = `
  import { writeSync } from "node:fs";
  export async function load(url, context, next) {
    writeSync(1, url + "\\n");
    return next(url, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { createScheduler, task } = await import("punctual");
task("greet");
try {
  createScheduler({});
} catch {
  // Without an engine it is refused; the code has been run.
}
