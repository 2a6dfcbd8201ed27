// Keys and signed claims as NATS writes them: what a server that knows its users by keys, or by their operator, asks for.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** First bytes of what is written in base 32: they make its first letter O, A, U or, before the kind's, S. */
const prefixes = { operator: 14 << 3, account: 0, user: 20 << 3, seed: 18 << 3 } as const;

export type NatsKeyKind = Exclude<keyof typeof prefixes, "seed">;

export interface NatsKey {
  /** As in "UDXB…": what a server knows the owner by. */
  readonly publicKey: string;
  /** As in "SUAB…": the secret. */
  readonly seed: string;
  readonly privateKey: KeyObject;
}

/** CRC-16 as in XMODEM. */
function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function base32(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => alphabet[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

function encoded(...parts: readonly (number | Uint8Array)[]): string {
  const bytes = Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : part)));
  const crc = checksum(bytes);
  return base32(Buffer.concat([bytes, Buffer.of(crc & 0xff, crc >> 8)]));
}

/** The 32 bytes of one half of the pair. */
function rawBytes(key: KeyObject, half: "x" | "d"): Uint8Array {
  return Buffer.from(key.export({ format: "jwk" })[half] ?? "", "base64url");
}

/** A new pair. */
export function newNatsKey(kind: NatsKeyKind): NatsKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const prefix = prefixes[kind];
  // Two prefixes of five bits each share two bytes.
  const first = prefixes.seed | (prefix >> 5);
  const second = (prefix & 31) << 3;
  return {
    publicKey: encoded(prefix, rawBytes(publicKey, "x")),
    seed: encoded(first, second, rawBytes(privateKey, "d")),
    privateKey,
  };
}

const base64url = (text: string) => Buffer.from(text).toString("base64url");

/** A JWT in which the issuer says what the subject is and may do. */
export function claim(
  kind: NatsKeyKind,
  name: string,
  issuer: NatsKey,
  subject: NatsKey,
  rights: Readonly<Record<string, unknown>> = {},
): string {
  const claims = {
    jti: `${name}-${subject.publicKey}`,
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.publicKey,
    sub: subject.publicKey,
    name,
    nats: { ...rights, type: kind, version: 2 },
  };
  const text = `${base64url(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }))}.${base64url(JSON.stringify(claims))}`;
  return `${text}.${sign(null, Buffer.from(text), issuer.privateKey).toString("base64url")}`;
}
