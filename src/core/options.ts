// Checks that every place which takes an options object shares.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

/** @throws InvalidInputError naming the first option nobody knows. */
export function refuseUnknown(options: object, known: readonly string[], field: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const name = field === "" ? "options" : field;
    throw new InvalidInputError(`${name} must be an object, got ${shown(options)}`, { field: name });
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const path = field === "" ? name : `${field}.${name}`;
    throw new InvalidInputError(`${path} is not an option; known are ${known.join(", ")}`, { field: path });
  }
}
