// The order of a whole store's items: the same in every engine, whatever their names are written in.
import { describe, expect, it } from "vitest";
import { compareNames } from "../../src/core/transfer.ts";

describe("the order of a store's items", () => {
  it("O6 texts are compared by code points, as databases compare their bytes", () => {
    const names = [
      "",
      "a",
      "aa",
      "b",
      "\u{e9}",
      "\u{d7ff}",
      "\u{e000}",
      "\u{ff5e}",
      "\u{10000}",
      "\u{1f600}",
      "\u{10ffff}",
    ];
    const bytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect([...names].reverse().sort((a, b) => compareNames([a], [b]))).toEqual(bytes);
    expect(compareNames(["same", "\u{ff5e}"], ["same", "\u{1f600}"])).toBeLessThan(0);
    expect(compareNames([9], [10])).toBeLessThan(0);
    expect(compareNames(["same", "same"], ["same", "same"])).toBe(0);
  });
});
