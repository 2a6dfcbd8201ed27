// Inputs, outputs and metadata as stored: JSON text whose size is checked in bytes.
import { shown } from "./duration.ts";
import { hasCode, InvalidInputError, PayloadTooLargeError } from "./errors.ts";

/**
 * Serialises a value that must survive a round trip through JSON; `undefined` is stored as null.
 * Lone surrogates and NUL come out as escapes, so that any store can hold the text.
 * @throws InvalidInputError for what JSON would drop or change (functions, NaN, cycles, Map ...), naming the place.
 * @throws PayloadTooLargeError over `bytesMax` bytes of UTF-8.
 */
export function encodePayload(value: unknown, field: string, bytesMax: number): string {
  if (value === undefined) return "null";
  const text = stringify(value, field);
  const bytes = utf8Bytes(text);
  if (bytes > bytesMax) {
    throw new PayloadTooLargeError(`${field} is ${bytes} bytes of JSON, the limit is ${bytesMax}`, {
      field,
      details: { bytes, bytesMax },
    });
  }
  return text;
}

function stringify(value: unknown, field: string): string {
  try {
    refuseLossy(value, field, []);
    return JSON.stringify(value);
  } catch (error) {
    if (hasCode(error, "INVALID_INPUT")) throw error;
    // A getter or a proxy of the caller's threw.
    throw new InvalidInputError(`${field} could not be read as JSON: ${String(error)}`, { field, cause: error });
  }
}

/** Reads a stored payload. */
export function decodePayload(text: string): unknown {
  return JSON.parse(text);
}

/** JSON with sorted keys: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** Whether two JSON texts hold equal values. */
export function sameJson(a: string, b: string): boolean {
  return a === b || canonicalJson(JSON.parse(a)) === canonicalJson(JSON.parse(b));
}

/** Bytes of a text in UTF-8, without building them. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    if (code < 0x800) bytes += 1;
    else if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      bytes += 2;
      index++;
    } else bytes += 2;
  }
  return bytes;
}

function refuseLossy(value: unknown, path: string, above: readonly object[]): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw notJson(path, String(value));
    case "object":
      if (value === null) return;
      break;
    default:
      throw notJson(path, typeof value === "undefined" ? "undefined" : shown(value));
  }
  if (above.includes(value)) throw notJson(path, "a cycle");
  if (above.length > 200) throw notJson(path, "more than 200 levels");
  const inner = [...above, value];
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseLossy(item, `${path}[${index}]`, inner);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    // Objects of another realm (tests, vm) are plain too when their prototype has none above it.
    const plain = typeof prototype === "object" && prototype !== null && Object.getPrototypeOf(prototype) === null;
    if (!plain || "toJSON" in value) throw notJson(path, className(value));
  }
  for (const [key, item] of Object.entries(value)) {
    // JSON.stringify drops such a member, and so does a reader who spreads options with undefined in them.
    if (item !== undefined) refuseLossy(item, `${path}.${key}`, inner);
  }
}

function className(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? `a ${name}` : "an object that is not plain";
}

function notJson(path: string, found: string): InvalidInputError {
  return new InvalidInputError(`${path} is not JSON: found ${found}`, {
    field: path,
    mend: "Convert it first: a Date with toISOString(), a bigint with String(), a Map with Object.fromEntries().",
  });
}
