/**
 * A uniform, stable, non-cryptographic hash of text: for jitter, H fields and ids. Never to be changed: stored values
 * depend on it.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

const encoder = new TextEncoder();

/**
 * MurmurHash3_x86_128 of the text's UTF-8 bytes with seed 0, as four unsigned 32-bit words.
 * Source: Austin Appleby, SMHasher, `src/MurmurHash3.cpp` (public domain). Lone surrogates hash as U+FFFD.
 * Of a text of at most 4 bytes the reference makes words 1 to 3 equal: an id that needs all 128 bits hashes a longer
 * text (a prefix will do).
 */
export function hash128(text: string): readonly [number, number, number, number] {
  return hash128Bytes(encoder.encode(text), 0);
}

/**
 * MurmurHash3_x86_128 of bytes with a 32-bit seed, as four unsigned 32-bit words in the order of the reference's
 * output.
 */
export function hash128Bytes(bytes: Uint8Array, seed: number): readonly [number, number, number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tail = bytes.length & ~15;
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;

  for (let i = 0; i < tail; i += 16) {
    h1 ^= scramble(view.getInt32(i, true), C1, 15, C2);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(view.getInt32(i + 4, true), C2, 16, C3);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(view.getInt32(i + 8, true), C3, 17, C4);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(view.getInt32(i + 12, true), C4, 18, C1);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }

  // A missing word is 0, and 0 scrambles to 0, so the reference's switch over the tail's length is not needed.
  h1 ^= scramble(wordAt(bytes, tail), C1, 15, C2);
  h2 ^= scramble(wordAt(bytes, tail + 4), C2, 16, C3);
  h3 ^= scramble(wordAt(bytes, tail + 8), C3, 17, C4);
  h4 ^= scramble(wordAt(bytes, tail + 12), C4, 18, C1);

  h1 ^= bytes.length;
  h2 ^= bytes.length;
  h3 ^= bytes.length;
  h4 ^= bytes.length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h3 = avalanche(h3);
  h4 = avalanche(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  return [h1 >>> 0, (h2 + h1) >>> 0, (h3 + h1) >>> 0, (h4 + h1) >>> 0];
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function scramble(word: number, before: number, bits: number, after: number): number {
  return Math.imul(rotate(Math.imul(word, before), bits), after);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

function avalanche(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
