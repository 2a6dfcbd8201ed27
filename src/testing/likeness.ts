// Whether a value is like the one a test expects: objects by the members that are named, all else equal. Says where not.

/** A value of which only some members are named, at any depth. Runners' matchers, such as `expect.any`, may stand in it. */
export type Likeness<T> = T extends readonly (infer Item)[]
  ? readonly Likeness<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: Likeness<T[Key]> }
    : T;

/** Where a value first differs from what is expected, in a sentence; undefined when it does not. */
export function difference(actual: unknown, expected: unknown, path: string): string | undefined {
  if (isMatcher(expected)) {
    return expected.asymmetricMatch(actual) ? undefined : `${path} is ${json(actual)}, expected ${String(expected)}`;
  }
  if (expected instanceof Date) return difference(actual, expected.toISOString(), path);
  if (!isObject(expected) || !isObject(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    return Object.is(actual, expected) ? undefined : `${path} is ${json(actual)}, expected ${json(expected)}`;
  }
  if (Array.isArray(expected) && expected.length !== Object.keys(actual).length) {
    return `${path} has ${Object.keys(actual).length} items, expected ${expected.length}`;
  }
  for (const [name, value] of Object.entries(expected)) {
    const member = Object.hasOwn(actual, name) ? actual[name as keyof object] : undefined;
    const found = difference(member, value, Array.isArray(expected) ? `${path}[${name}]` : `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A value as JSON, cut to what a message can bear. */
export function json(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isMatcher(value: unknown): value is { asymmetricMatch(actual: unknown): boolean } {
  return isObject(value) && "asymmetricMatch" in value && typeof value.asymmetricMatch === "function";
}
