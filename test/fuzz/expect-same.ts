// What a test says of seeds: nothing where every sequence has memory's answers, else the shortest sequence that has not.
import { expect } from "vitest";
import { fuzz } from "./fuzz.ts";
import type { Subject } from "./side-by-side.ts";

const same = "every answer is memory's";

/** Plays seeds until one fails. */
export async function expectSame(engine: string, subject: Subject, from: number, to: number): Promise<void> {
  let said = same;
  for (let seed = from; seed <= to && said === same; seed++) said = (await fuzz(seed, engine, subject)).failure ?? same;
  expect(said).toBe(same);
}
