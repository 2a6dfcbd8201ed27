// Durations, payloads and ids: the values that everything else is made of.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaults } from "../../src/core/defaults.ts";
import { formatDuration, parseDuration, shown } from "../../src/core/duration.ts";
import {
  checkJobId,
  jobIdFromBytes,
  jobIdToBytes,
  mintJobId,
  operationJobId,
  tenantTag,
  tickJobId,
} from "../../src/core/id.ts";
import { checkInstant } from "../../src/core/instant.ts";
import { canonicalJson, decodePayload, encodePayload, utf8Bytes } from "../../src/core/payload.ts";

const words = fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const tenantIds = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,20}$/);

describe("durations", () => {
  test.each([
    ["0ms", 0],
    ["250ms", 250],
    ["1.5s", 1_500],
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["1w2d", 777_600_000],
    [1_234, 1_234],
    [0.2, 1],
    ["0.1ms", 1],
  ])("T1 %s is %d ms", (text, ms) => {
    expect(parseDuration(text, "delay")).toBe(ms);
  });

  test.each([
    "",
    " ",
    "10",
    "10 minutes",
    "1m1h",
    "1m 1m",
    "-5s",
    "+5s",
    "1e3s",
    "5s,",
    "٣s",
    ".5s",
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    -1,
    -0.5,
    5n,
    null,
    undefined,
    true,
    {},
    [],
    new Date(),
    "9".repeat(400),
  ])("T1 %s is no duration: a typed error that names the field", (value) => {
    expect(() => parseDuration(value, "delay")).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", field: "delay" }),
    );
  });

  test("T1 a hundred years are the most, and bounds are inclusive", () => {
    expect(parseDuration("36525d", "delay")).toBe(36_525 * 86_400_000);
    expect(() => parseDuration("36525d1ms", "delay")).toThrow("between");
    expect(parseDuration("5s", "x", { minMs: 5_000, maxMs: 5_000 })).toBe(5_000);
    expect(() => parseDuration(4_999, "x", { minMs: 5_000 })).toThrow("between");
  });

  test("T1 what formatDuration writes, parseDuration reads", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 12 }), (ms) => {
        expect(parseDuration(formatDuration(ms), "x")).toBe(ms);
      }),
    );
    expect([formatDuration(-90_000), formatDuration(0.5)]).toEqual(["-1m30s", "0ms"]);
  });

  test("J13 any value can be shown in an error", () => {
    fc.assert(fc.property(fc.anything(), (value) => typeof shown(value) === "string"));
    expect(shown("x".repeat(1_000)).length).toBeLessThan(100);
  });
});

describe("instants", () => {
  test.each([
    ["2026-03-01T09:00Z", Date.UTC(2026, 2, 1, 9)],
    ["2026-03-01T09:00:00+05:30", Date.UTC(2026, 2, 1, 3, 30)],
    ["2026-03-01T09:00:00.123456789Z", Date.UTC(2026, 2, 1, 9, 0, 0, 123)],
    ["2024-02-29T00:00:00-01:00", Date.UTC(2024, 1, 29, 1)],
  ])("T1 %s is an instant", (text, at) => {
    expect(checkInstant(text, "at")).toBe(at);
  });

  test.each([
    "2026-03-01",
    "2026-03-01T09:00:00",
    "2026-02-29T09:00:00Z",
    "2026-04-31T09:00:00Z",
    "2026-00-10T09:00:00Z",
    "2026-03-01T24:01:00Z",
    "2026-03-01T09:60:00Z",
    "2026-03-01T09:00:00+25:00",
    "2026-03-01 09:00:00Z",
    "Sun, 01 Mar 2026 09:00:00 GMT",
    1_772_355_600_000,
    null,
  ])("T1 %s is none", (value) => {
    expect(() => checkInstant(value, "at")).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "at" }));
  });
});

describe("payloads", () => {
  test("J13 utf8Bytes counts what TextEncoder makes, lone surrogates included", () => {
    const encoder = new TextEncoder();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Bytes(text)).toBe(encoder.encode(text).length);
      }),
      { numRuns: 1_000 },
    );
    const units = fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 })).map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(units, (text) => utf8Bytes(text) === encoder.encode(text).length),
      { numRuns: 1_000 },
    );
  });

  test("J13 what JSON can carry comes back equal", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = encodePayload(value, "input", defaults.payloadBytesMax);
        expect(decodePayload(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("J13 NUL and lone surrogates survive as escapes", () => {
    const value = { nul: "a\u0000b", lone: "\ud800", pair: "😀" };
    const text = encodePayload(value, "input", 1_000);
    expect(decodePayload(text)).toEqual(value);
    expect(text).toBe('{"nul":"a\\u0000b","lone":"\\ud800","pair":"😀"}');
  });

  test("J13 whatever is handed in is encoded or refused by a typed error", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
        (value) => {
          try {
            JSON.parse(encodePayload(value, "input", 1_000_000));
          } catch (error) {
            expect(error).toMatchObject({ code: "INVALID_INPUT", field: expect.stringMatching(/^input/) });
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("J13 a payload of two hundred levels passes, a deeper one is refused and overflows no stack", () => {
    const nested = (levels: number) => {
      let value: unknown = 1;
      for (let level = 0; level < levels; level++) value = [value];
      return value;
    };
    expect(encodePayload(nested(200), "input", 10_000)).toHaveLength(401);
    expect(() => encodePayload(nested(100_000), "input", 1_000_000)).toThrow("levels");
  });

  test("J13 a member that is undefined is left out, undefined itself is null", () => {
    expect(encodePayload({ a: undefined, b: 1 }, "input", 100)).toBe('{"b":1}');
    expect(encodePayload(undefined, "input", 100)).toBe("null");
  });

  test("S6 canonical JSON does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });
});

describe("ids", () => {
  test("J15 an id is a UUID of version 8 that survives its 16 bytes", () => {
    fc.assert(
      fc.property(tenantIds, fc.nat({ max: 2 ** 47 }), words, (tenant, now, entropy) => {
        const id = mintJobId(tenant, now, entropy);
        expect(checkJobId(id)).toBe(id);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(jobIdFromBytes(jobIdToBytes(id))).toBe(id);
        expect(Number.parseInt(id.slice(15, 18), 16)).toBe(tenantTag(tenant));
      }),
    );
  });

  test("J15 later ids sort after earlier ones, ticks' ids too", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 46 }), fc.integer({ min: 1, max: 10 ** 9 }), words, words, (at, more, a, b) => {
        expect(mintJobId("t", at, a) < mintJobId("t", at + more, b)).toBe(true);
        expect(tickJobId("t", "i", at) < tickJobId("t", "i", at + more)).toBe(true);
      }),
    );
  });

  test("S2 a tick's id is the same whoever makes it, and another for another tick, incarnation or tenant", () => {
    const id = tickJobId("acme", "0123456789abcdef", 1_767_225_600_000);
    expect(tickJobId("acme", "0123456789abcdef", 1_767_225_600_000)).toBe(id);
    expect(id).toMatchInlineSnapshot(`"019b76da-a800-8979-a3c4-ccfa93434016"`);
    const others = [
      tickJobId("acme", "0123456789abcdef", 1_767_225_600_001),
      tickJobId("acme", "0123456789abcdee", 1_767_225_600_000),
      tickJobId("zeta", "0123456789abcdef", 1_767_225_600_000),
      operationJobId("acme", "0123456789abcdef", "1767225600000"),
    ];
    expect(new Set([id, ...others]).size).toBe(5);
  });

  test("S2 ids of ticks before 1970 are ids, and a trigger's id is stable", () => {
    expect(checkJobId(tickJobId("t", "i", -86_400_000))).toHaveLength(36);
    expect(operationJobId("t", "i", "op")).toBe(operationJobId("t", "i", "op"));
    expect(checkJobId(operationJobId("t", "i", "op"))).toHaveLength(36);
  });

  test("S2 the bits of ticks' ids are uniform: no collision in a hundred thousand, each bit set half the time", () => {
    const seen = new Set<string>();
    const set = Array.from({ length: 48 }, () => 0);
    for (let n = 0; n < 100_000; n++) {
      const tail = tickJobId("t", `incarnation-${n % 1_000}`, Math.floor(n / 1_000) * 60_000).slice(-12);
      seen.add(tail);
      const value = Number.parseInt(tail, 16);
      for (let bit = 0; bit < 48; bit++) if (Math.floor(value / 2 ** bit) % 2 === 1) set[bit] = (set[bit] ?? 0) + 1;
    }
    expect(seen.size).toBe(100_000);
    for (const count of set) expect(Math.abs(count - 50_000)).toBeLessThan(1_000);
  });

  test.each(["", "nope", "01234567-89AB-8CDE-8F01-23456789ABCD", 7, undefined])("J15 %s is no job id", (bad) => {
    expect(() => checkJobId(bad)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "id" }));
  });
});
