// The doctor's look at time zone data: whether replicas of several versions work on one store (S13).
import { defaults } from "../core/defaults.ts";
import type { Engine } from "../core/engine.ts";
import { span } from "../core/explain/words.ts";
import { type Finding, fine } from "../core/findings.ts";
import { isNewer } from "../core/zone-rules.ts";
import { zoneMarkPrefix } from "./zone-watch.ts";

/** What the janitors' marks say beside the version of this process. */
export async function zones({ records }: Pick<Engine, "records">, own: string | undefined): Promise<Finding[]> {
  const { items } = await records.list(zoneMarkPrefix, { limit: 50 });
  const newest = items
    .map(({ key }) => key.slice(zoneMarkPrefix.length))
    .filter((version) => isNewer(version, own))
    .sort()
    .at(-1);
  if (own === undefined) return [fine("time zones", "the runtime does not say which time zone data it has")];
  if (newest === undefined) return [fine("time zones", `no process has newer time zone data than this one's ${own}`)];
  return [
    {
      check: "time zones",
      status: "warn",
      what: `schedules were placed by time zone data ${newest}, newer than this process's ${own}`,
      mend: `Give every process one version of Node or ICU. Meanwhile one with ${own} leaves such ticks to those with ${newest}, or fires them ${span(defaults.zoneRulesWaitMs)} late.`,
    },
  ];
}
