// Whether a value that was read from a store has the shape it was written with.

/** Says whether a value is as it should be. */
export type Shape = (value: unknown) => boolean;

export const isText: Shape = (value) => typeof value === "string";
export const isNumber: Shape = (value) => typeof value === "number" && Number.isFinite(value);
export const isFlag: Shape = (value) => typeof value === "boolean";

/** It may be absent. */
export function maybe(shape: Shape): Shape {
  return (value) => value === undefined || shape(value);
}

export function listOf(shape: Shape): Shape {
  return (value) => Array.isArray(value) && value.every(shape);
}

/** An object with these members; others may be there too. */
export function has(members: Readonly<Record<string, Shape>>): Shape {
  const named = Object.entries(members);
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    named.every(([name, shape]) => shape((value as Readonly<Record<string, unknown>>)[name]));
}
