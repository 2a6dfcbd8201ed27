/** The sample cases of shared/cron, every one. */

import { describe, expect, it } from "vitest";
import { parseCron } from "../../../src/core/cron/grammar.ts";
import { getZone } from "../../../src/core/cron/zone.ts";
import { InvalidCronError, InvalidTimeZoneError } from "../../../src/core/errors.ts";
import corpus from "./fixtures/corpus-sample.json" with { type: "json" };
import invalid from "./fixtures/invalid-sample.json" with { type: "json" };
import odd from "./fixtures/valid-odd-sample.json" with { type: "json" };
import { iso, ticksAfter } from "./ticks.ts";

describe("CRON5 the corpus", () => {
  for (const { expr, tz, after, next } of corpus) {
    it(`CRON5 ${expr} in ${tz} after ${after} gives the corpus's five ticks`, () => {
      expect(ticksAfter(expr, tz, after, next.length)).toEqual(next.map(iso));
    });
  }
});

describe("CRON1 odd but valid expressions", () => {
  for (const { id, expr, tz, after, next, sameAs, note } of odd) {
    it(`CRON1 ${id} ${JSON.stringify(expr)} is valid (${note})`, () => {
      expect(ticksAfter(expr, tz, after, next.length)).toEqual(next.map(iso));
      if (sameAs !== null) expect(ticksAfter(sameAs, tz, after, next.length)).toEqual(next.map(iso));
    });
  }
});

describe("CRON1 what is refused", () => {
  for (const sample of invalid) {
    it(`CRON1 ${sample.id} ${JSON.stringify(sample.expr)} in ${JSON.stringify(sample.tz)} is refused (${sample.why})`, () => {
      if (sample.cls.startsWith("timezone")) {
        expect(() => getZone(sample.tz as string)).toThrow(InvalidTimeZoneError);
        expect(() => parseCron(sample.expr)).not.toThrow();
        return;
      }
      expect(() => parseCron(sample.expr)).toThrow(InvalidCronError);
      if (sample.field !== undefined)
        expect(() => parseCron(sample.expr)).toThrow(expect.objectContaining({ field: sample.field }));
    });
  }
});
