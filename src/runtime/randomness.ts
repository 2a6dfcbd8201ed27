// Where a process's randomness comes from: the platform's, or a test's own source.
import type { Entropy } from "../core/id.ts";

/** Random words are drawn so many at once: a draw costs more than an id. */
const pool = new Uint32Array(1_024);
let drawn = pool.length;

/** Fresh randomness for ids and tokens, from a test's own source where there is one. */
export function entropyFrom(random: (() => number) | undefined): () => Entropy {
  return random === undefined ? entropy : () => [word(random), word(random)];
}

function entropy(): Entropy {
  if (drawn >= pool.length) {
    crypto.getRandomValues(pool);
    drawn = 0;
  }
  return [pool[drawn++] ?? 0, pool[drawn++] ?? 0];
}

function word(random: () => number): number {
  return Math.floor(random() * 2 ** 32);
}
