// Which modules requiring "punctual" and making a scheduler loads: one id a line.
const Module = require("node:module");

const load = Module._load;
Module._load = function (request, parent, ...rest) {
  const id = Module.isBuiltin(request) ? request : Module._resolveFilename(request, parent);
  process.stdout.write(`${id}\n`);
  return load.call(this, request, parent, ...rest);
};
const { createScheduler, task } = require("punctual");
task("greet");
try {
  createScheduler({});
} catch {
  // Without an engine it is refused; the code has been run.
}
