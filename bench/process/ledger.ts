// What the handlers of one worker process saw: how often each job, and when. The proof against lost and doubled jobs.
import { stamp } from "./stamp.ts";

/** A tick that was handled: which schedule, its nominal instant where known (epoch ms), and when (stamp). */
export interface HandledTick {
  readonly sequence: number;
  readonly tickAt: number | undefined;
  readonly at: number;
}

export class Ledger {
  /** By sequence, how often its handler ran; 255 at most. */
  readonly seen: Uint8Array;
  /** By sequence, when its handler first ran; empty unless asked for. */
  readonly startedAt: Float64Array;
  readonly ticks: HandledTick[] = [];
  readonly #keepTicks: boolean;
  /** Handlers run, repeats included. */
  handled = 0;

  constructor(expected: number, keep: { readonly stamps?: boolean; readonly ticks?: boolean } = {}) {
    this.seen = new Uint8Array(expected);
    this.startedAt = new Float64Array(keep.stamps === true ? expected : 0);
    this.#keepTicks = keep.ticks === true;
  }

  note(sequence: number, tickAt: number | undefined): void {
    this.handled++;
    if (this.#keepTicks) this.ticks.push({ sequence, tickAt, at: stamp() });
    const times = this.seen[sequence] ?? 0;
    if (times < 255) this.seen[sequence] = times + 1;
    if (times === 0 && sequence < this.startedAt.length) this.startedAt[sequence] = stamp();
  }
}

/** Counts what several processes saw of the sequences 0 to `expected`. */
export function problemsOf(seen: readonly Uint8Array[], expected: number): string[] {
  let lost = 0;
  let doubled = 0;
  for (let sequence = 0; sequence < expected; sequence++) {
    let times = 0;
    for (const one of seen) times += one[sequence] ?? 0;
    if (times === 0) lost++;
    if (times > 1) doubled++;
  }
  return [
    ...(lost > 0 ? [`${lost} of ${expected} jobs never ran`] : []),
    ...(doubled > 0 ? [`${doubled} of ${expected} jobs ran more than once`] : []),
  ];
}
