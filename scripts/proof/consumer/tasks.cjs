// Handlers for `punctual serve`, of a project in CommonJS: made by the other copy of the package.
const { handle, task } = require("punctual");

exports.greet = handle(task("greet"), ({ name }) => `hello ${name}`);
