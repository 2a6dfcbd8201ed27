// Handlers for `punctual serve`.
import { handle, task } from "punctual";

export const greet = handle(task("greet"), ({ name }) => `hello ${name}`);
