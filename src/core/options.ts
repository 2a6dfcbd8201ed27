// Checks that every place which takes an options object shares.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

/** Options whose value is any JSON, null among it. */
const jsonOptions: readonly string[] = ["input", "metadata"];

/**
 * Refuses what is no object of known options. `undefined` is "not given"; `null` is a slip, but where it has a meaning.
 * @throws InvalidInputError naming the first option at fault
 */
export function refuseUnknown(
  options: object,
  known: readonly string[],
  field: string,
  nullable: readonly string[] = jsonOptions,
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const name = field === "" ? "options" : field;
    throw new InvalidInputError(`${name} must be an object, got ${shown(options)}`, { field: name });
  }
  const pathOf = (name: string) => (field === "" ? name : `${field}.${name}`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      const path = pathOf(name);
      throw new InvalidInputError(`${path} is not an option; known are ${known.join(", ")}`, { field: path });
    }
    if (options[name as keyof object] === null && !nullable.includes(name)) {
      const path = pathOf(name);
      throw new InvalidInputError(`${path} must not be null; leave it out for the default`, { field: path });
    }
  }
}

/** A yes or no. "no" and 0 are neither. @throws InvalidInputError */
export function checkFlag(value: unknown, field: string): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new InvalidInputError(`${field} must be true or false, got ${shown(value)}`, { field });
}
