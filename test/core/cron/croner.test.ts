/** A randomized cross-check against croner 11, an independent evaluator, wherever both define the same rule. */

import { Cron } from "croner";
import { expect, it } from "vitest";
import type { CronFields } from "../../../src/core/cron/fields.ts";
import { parseCron } from "../../../src/core/cron/grammar.ts";
import { cronNote, nextCron } from "../../../src/core/cron/next.ts";
import type { Segment, Zone } from "../../../src/core/cron/zone.ts";
import { InvalidCronError } from "../../../src/core/errors.ts";
import { randomExpression, randomFrom, randomInstant, randomZone } from "./random.ts";

const SEED = Number(process.env["CRON_SEED"] ?? 20_280_229);
const CASES = 20_000;
const STEPS = 3;
const DAY_MS = 86_400_000;

/** Where croner follows another rule than CRON.md, by expression. */
function differingRule(expression: string): string | undefined {
  const texts = expression.split(" ");
  const days = texts.slice(-3);
  const starredStep = days[0]?.startsWith("*/")
    ? days[2] !== "*" && days[2] !== "?"
    : days[2]?.startsWith("*/") && days[0] !== "*" && days[0] !== "?";
  if (starredStep) return "starred day step (croner joins */n with the other day field by or, vixie by and)";
  const times = texts.slice(0, -3);
  if (times.some((text) => text.includes("/") && !text.includes("*")) && !times.some((text) => text.includes("*"))) {
    return "range with a step in a time field (wild for croner, fixed for us)";
  }
  return undefined;
}

/** Where croner follows another rule than CRON.md, by a gap which the compared ticks come by. */
function differingGap(fields: CronFields, zone: Zone, after: number, until: number): string | undefined {
  if (fields.wild) return undefined;
  for (let segment: Segment | undefined = zone.segmentAt(after); segment !== undefined && segment.end <= until; ) {
    const opens = segment.end + segment.offset;
    const closes = segment.end + segment.after;
    if (closes - opens >= 3 * 3_600_000) return "gap of 3 h or more (croner runs after it, we drop)";
    if (closes > opens && Math.floor(opens / DAY_MS) !== Math.floor(closes / DAY_MS)) {
      return "gap across midnight (croner drops what another date would take over, we run after it)";
    }
    segment = zone.following(segment);
  }
  return undefined;
}

it(`CRON4 C5 C2 ${CASES} random rules, zones and instants give croner's ticks`, { timeout: 120_000 }, () => {
  const random = randomFrom(SEED);
  const excluded = new Map<string, number>();
  const differences: string[] = [];
  let compared = 0;
  let ticks = 0;
  let wild = 0;
  let noted = 0;
  while (compared < CASES) {
    const expression = randomExpression(random);
    const zone = randomZone(random);
    const after = randomInstant(random, zone);
    const reason = differingRule(expression);
    if (reason !== undefined) {
      excluded.set(reason, (excluded.get(reason) ?? 0) + 1);
      continue;
    }
    let fields: CronFields;
    try {
      fields = parseCron(expression);
    } catch (error) {
      // Dates that never come are refused by us and null for croner; anything else here would be a difference.
      if (!(error instanceof InvalidCronError && /no such date/.test(error.message))) throw error;
      if (
        new Cron(expression, { timezone: "UTC", mode: "5-or-6-parts", sloppyRanges: true }).nextRun(new Date(after)) !==
        null
      ) {
        differences.push(`${expression}: refused by us`);
      }
      continue;
    }
    const options = {
      timezone: zone.id,
      fixedTimeRule: "no-wildcard",
      mode: "5-or-6-parts",
      sloppyRanges: true,
    } as const;
    const cron = new Cron(expression, options);
    const ours: (number | undefined)[] = [];
    const theirs: (number | undefined)[] = [];
    let tick: number | undefined = after;
    let their: number | undefined = after;
    for (
      let step = 0;
      step < STEPS && tick !== undefined && their !== undefined && tick < Date.UTC(2200, 0, 1);
      step++
    ) {
      tick = nextCron(fields, zone, tick);
      their = cron.nextRun(new Date(their))?.getTime();
      if (tick !== undefined && cronNote(fields, zone, tick) !== undefined) noted++;
      ours.push(tick);
      theirs.push(their);
    }
    const gap = differingGap(
      fields,
      zone,
      after - DAY_MS,
      Math.max(...ours.map((value) => value ?? 0), ...theirs.map((value) => value ?? 0)),
    );
    if (gap !== undefined) {
      excluded.set(gap, (excluded.get(gap) ?? 0) + 1);
      continue;
    }
    compared++;
    ticks += ours.length;
    if (fields.wild) wild++;
    if (ours.some((value, i) => value !== theirs[i])) {
      const show = (values: (number | undefined)[]): string =>
        values.map((v) => (v === undefined ? "none" : new Date(v).toISOString())).join(" ");
      differences.push(
        `${expression} | ${zone.id} | ${new Date(after).toISOString()} | ours ${show(ours)} | croner ${show(theirs)}`,
      );
    }
  }
  const left = [...excluded].map(([reason, count]) => `${count} ${reason}`).join("; ");
  console.log(
    `croner cross-check: seed ${SEED}, ${compared} cases (${wild} wild), ${ticks} ticks (${noted} at a gap or overlap), ${differences.length} differences; left out: ${left}`,
  );
  expect(differences.slice(0, 30)).toEqual([]);
});
