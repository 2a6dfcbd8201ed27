// Job ids and lease tokens. An id is a UUID (RFC 9562 version 8): 48 bits of time, 12 bits of its tenant's hash,
// 62 bits that are random or, for a schedule's jobs, derived, so that the same tick always has the same id.
import type { Millis } from "./clock.ts";
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { hash128 } from "./hash.ts";
import type { TenantId } from "./tenant.ts";

/** A UUID in lower-case text. */
export type JobId = string;

/** 64 bits as 16 hexadecimal digits, new for every claim. */
export type Token = string;

/** Random 32-bit words, as `crypto.getRandomValues` makes them. */
export type Entropy = readonly [number, number];

const idShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A new job id; `now` only makes ids sort by age, so any clock will do. */
export function mintJobId(tenant: TenantId, now: Millis, entropy: Entropy): JobId {
  return assemble(tenant, now, entropy[0], entropy[1]);
}

/** The id of the job that a schedule's tick makes: the same whoever fires it, however often. */
export function tickJobId(tenant: TenantId, incarnation: string, tick: Millis): JobId {
  const [high, low] = hash128(`tick\n${tenant}\n${incarnation}\n${tick}`);
  return assemble(tenant, tick, high, low);
}

/** The id of the job that an operation (a trigger, one step of a backfill) makes: the same when it is repeated. */
export function operationJobId(tenant: TenantId, incarnation: string, operation: string): JobId {
  const [high, low, ...time] = hash128(`operation\n${tenant}\n${incarnation}\n${operation}`);
  // Whenever it is repeated the id is the same, so its time comes from the hash: 40 bits, before every id of a clock.
  return assemble(tenant, time[0] * 2 ** 8 + (time[1] & 0xff), high, low);
}

/** 12 bits of the tenant, which every job id carries: an engine may route by them. */
export function tenantTag(tenant: TenantId): number {
  // Of the last tenant it is remembered: many jobs in a row are of one.
  if (lastTag?.tenant !== tenant) lastTag = { tenant, tag: hash128(tenant)[0] & 0xfff };
  return lastTag.tag;
}

let lastTag: { readonly tenant: TenantId; readonly tag: number } | undefined;

/** Whether an id carries the tenant's tag: any other is not this tenant's. */
export function isOfTenant(id: JobId, tenant: TenantId): boolean {
  return Number.parseInt(id.slice(15, 18), 16) === tenantTag(tenant);
}

/** A new 64-bit token, for a lease, a claim or an incarnation. */
export function mintToken(entropy: Entropy): Token {
  return hex(entropy[0], 8) + hex(entropy[1], 8);
}

/** @throws InvalidInputError when the text is not a job id. */
export function checkJobId(value: unknown, field = "id"): JobId {
  if (typeof value === "string" && idShape.test(value)) return value;
  throw new InvalidInputError(`${field} must be a job id (a lower-case UUID), got ${shown(value)}`, { field });
}

/** The 16 bytes of a job id, for stores that keep it so. */
export function jobIdToBytes(id: JobId): Uint8Array {
  const bytes = new Uint8Array(16);
  let at = 0;
  for (let index = 0; index < 16; index++) {
    if (id.charCodeAt(at) === 45) at++;
    bytes[index] = (nibble(id.charCodeAt(at)) << 4) | nibble(id.charCodeAt(at + 1));
    at += 2;
  }
  return bytes;
}

/** The text of a job id kept as 16 bytes. */
export function jobIdFromBytes(bytes: Uint8Array): JobId {
  let hexText = "";
  for (let index = 0; index < 16; index++) hexText += byteText[bytes[index] ?? 0];
  return jobIdFromHex(hexText);
}

/** The same from 32 lower-case hexadecimal digits, which some stores give more cheaply than bytes. */
export function jobIdFromHex(hexText: string): JobId {
  let at = 0;
  for (let index = 0; index < 36; index++) {
    if (index === 8 || index === 13 || index === 18 || index === 23) continue;
    idCodes[index] = hexText.charCodeAt(at++);
  }
  // One flat text: ids become keys of maps, which costs twice as much for one glued together.
  return String.fromCharCode.apply(null, idCodes);
}

const idCodes: number[] = new Array<number>(36).fill("-".charCodeAt(0));

const byteText: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function nibble(code: number): number {
  return code >= 97 ? code - 87 : code - 48;
}

function hex(word: number, digits: number): string {
  return (word >>> 0).toString(16).padStart(digits, "0");
}

function assemble(tenant: TenantId, at: Millis, high: number, low: number): JobId {
  // Instants before 1970 (a backfill may name one) keep their order only among themselves.
  const time = ((Math.trunc(at) % 2 ** 48) + 2 ** 48) % 2 ** 48;
  const timeHigh = Math.floor(time / 2 ** 32);
  writeHex(timeHigh, 0, 4);
  writeHex(time >>> 16, 4, 4);
  writeHex(time, 9, 4);
  writeHex(0x8000 | tenantTag(tenant), 14, 4);
  writeHex(((high >>> 16) & 0x3fff) | 0x8000, 19, 4);
  writeHex(high, 24, 4);
  writeHex(low >>> 16, 28, 4);
  writeHex(low, 32, 4);
  return String.fromCharCode.apply(null, idCodes);
}

/** The lowest `digits` hexadecimal digits of a word, from an index of `idCodes` on. */
function writeHex(word: number, at: number, digits: number): void {
  for (let index = at + digits - 1, rest = word; index >= at; index--, rest >>>= 4) {
    const digit = rest & 15;
    idCodes[index] = digit < 10 ? 48 + digit : 87 + digit;
  }
}
