// Tables and instants as people see them.
import { describe, expect, it } from "vitest";
import { type Column, fields, table } from "../../src/cli/table.ts";
import { instant, relative, withOffset } from "../../src/cli/time.ts";

interface Row {
  readonly id: string;
  readonly text?: string;
  readonly count: number;
}

const columns: readonly Column<Row>[] = [
  { title: "ID", cell: (row) => row.id, whole: true },
  { title: "COUNT", cell: (row) => row.count },
  { title: "TEXT", cell: (row) => row.text, optional: true },
];

describe("table", () => {
  it("aligns texts to the left and numbers to the right", () => {
    const rows = [
      { id: "a", count: 7, text: "x" },
      { id: "bcd", count: 1234567 },
    ];
    expect(table(rows, columns).split("\n")).toEqual(["ID     COUNT  TEXT", "a          7  x", "bcd  1234567"]);
  });

  it("leaves out an optional column that says nothing", () => {
    expect(table([{ id: "a", count: 1 }], columns)).toBe("ID  COUNT\na       1");
  });

  it("keeps every line within the terminal's width and its ids whole", () => {
    const rows = [{ id: "0123456789", count: 1, text: "a long text that does not fit" }];
    const lines = table(rows, columns, 40).split("\n");
    expect(lines[1]).toBe("0123456789      1  a long text that doe…");
    expect(lines.every((line) => [...line].length <= 40)).toBe(true);
    expect(table(rows, columns, 22).split("\n")[1]).toBe("0123456789      1");
    expect(table(rows, columns, 5).split("\n")[1]).toBe("0123…");
  });

  it("lets stored text neither break lines nor steer the terminal", () => {
    expect(table([{ id: "a", count: 1, text: "one\n two\u001b[2J" }], columns).split("\n")[1]).toBe(
      "a       1  one two\u{fffd}[2J",
    );
  });
});

describe("fields", () => {
  it("aligns values and leaves out what is undefined", () => {
    expect(
      fields([
        ["a", 1],
        ["gone", undefined],
        ["long", "x"],
      ]),
    ).toBe("a     1\nlong  x");
  });
});

describe("instants", () => {
  it.each([
    [0, "now"],
    [-499, "now"],
    [300_000, "in 5m"],
    [299_990, "in 5m"],
    [-61_000, "1m1s ago"],
    [11_430_000, "in 3h11m"],
    [-90_000_000, "1d1h ago"],
  ])("%d ms from now is %s", (ms, text) => {
    expect(relative(ms)).toBe(text);
  });

  it("are RFC 3339 in UTC with how far away they are", () => {
    const now = Date.UTC(2026, 10, 21, 9);
    expect(instant(new Date(now + 60_000), now)).toBe("2026-11-21T09:01:00Z (in 1m)");
    expect(instant(new Date(now + 1), now)).toBe("2026-11-21T09:00:00.001Z (now)");
  });

  it("carry the offset of a zone", () => {
    const at = new Date("2026-01-01T00:00:00Z");
    expect(withOffset(at, 5.5 * 3_600_000)).toBe("2026-01-01T05:30:00+05:30");
    expect(withOffset(at, -3_600_000)).toBe("2025-12-31T23:00:00-01:00");
    expect(withOffset(at, 561_000)).toBe("2026-01-01T00:09:21+00:09:21");
  });
});
