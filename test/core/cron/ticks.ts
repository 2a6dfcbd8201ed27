/** What the cron tests share: ticks as ISO texts. */

import { parseCron } from "../../../src/core/cron/grammar.ts";
import { type DstOptions, nextCron } from "../../../src/core/cron/next.ts";
import { getZone } from "../../../src/core/cron/zone.ts";

/** The first `count` ticks after an ISO instant, as ISO texts; fewer when the rule ends. */
export function ticksAfter(
  expression: string,
  zoneId: string,
  after: string,
  count: number,
  options?: DstOptions,
): string[] {
  const fields = parseCron(expression);
  const zone = getZone(zoneId);
  const ticks: string[] = [];
  let tick: number | undefined = Date.parse(after);
  while (ticks.length < count) {
    tick = nextCron(fields, zone, tick, options);
    if (tick === undefined) break;
    ticks.push(new Date(tick).toISOString());
  }
  return ticks;
}

/** An ISO text in the spelling of `Date.toISOString`. */
export function iso(text: string): string {
  return new Date(text).toISOString();
}
