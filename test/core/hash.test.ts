/** MurmurHash3 against its reference, and the uniformity that jitter asks for. */

import { describe, expect, it } from "vitest";
import { hash128, hash128Bytes } from "../../src/core/hash.ts";

describe("S3 the hash", () => {
  it("S3 hash128 passes SMHasher's verification of MurmurHash3_x86_128 (0xB3ECE62A)", () => {
    // Keys {}, {0}, {0,1}, ... with seed 256 - length; the hash of all results begins with the verification value.
    const results = new Uint8Array(256 * 16);
    const view = new DataView(results.buffer);
    const key = Uint8Array.from({ length: 256 }, (_, i) => i);
    for (let length = 0; length < 256; length++) {
      hash128Bytes(key.subarray(0, length), 256 - length).forEach((word, i) => {
        view.setUint32(length * 16 + i * 4, word, true);
      });
    }
    expect(hash128Bytes(results, 0)[0]).toBe(0xb3ece62a);
  });

  it("S3 the empty text hashes to zero and other texts to four unsigned words", () => {
    expect(hash128("")).toEqual([0, 0, 0, 0]);
    for (const word of hash128("überall ☃ 🕰")) expect(word).toBeGreaterThanOrEqual(0);
  });

  it("S3 stored values stay: hash128 of s-1 never changes", () => {
    expect(hash128("s-1")).toMatchInlineSnapshot(`
      [
        77634414,
        2209620326,
        2209620326,
        2209620326,
      ]
    `);
  });

  it("S3 neighbouring ids such as s-1, s-2 spread evenly in every word", () => {
    const count = 60_000;
    for (const word of [0, 1, 2, 3] as const) {
      const buckets = new Array<number>(60).fill(0);
      for (let i = 1; i <= count; i++) {
        const bucket = hash128(`s-${i}`)[word] % 60;
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      // Chi-square with 59 degrees of freedom: above 110 once in ten thousand.
      const mean = count / 60;
      expect(buckets.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0)).toBeLessThan(110);
    }
  });
});
