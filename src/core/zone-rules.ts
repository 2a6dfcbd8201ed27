// The time-zone rules that a schedule's next tick was computed with, and what to do when a process has others (S13).

import type { Millis } from "./clock.ts";
import { getZone, zoneRulesVersion } from "./cron/zone.ts";
import { hash128 } from "./hash.ts";
import { type Rule, ruleZones } from "./rule.ts";
import { type TickContext, wallZoneOf } from "./tick.ts";

/**
 * What is stored of the rules that a next tick was computed with: a fingerprint of all zones of the rule, with the
 * version of the time zone data before it when that is known, as "2026c:0f3a..."; empty where no zone matters. Some ms
 * for a zone's first.
 * @param version of this process's time zone data, such as 2026c
 */
export function zoneRulesOf(rule: Rule, version: string | undefined): string {
  const zones = ruleZones(rule).filter((zone) => zone !== "UTC");
  const [first] = zones;
  if (first === undefined) return "";
  const print = zones.length === 1 ? zoneRulesVersion(getZone(first)) : printOfAll(zones);
  return version === undefined ? print : `${version}:${print}`;
}

function printOfAll(zones: readonly string[]): string {
  const lines = [...zones].sort().map((zone) => `${zone} ${zoneRulesVersion(getZone(zone))}`);
  const [a, b] = hash128(lines.join("\n"));
  return a.toString(16).padStart(8, "0") + b.toString(16).padStart(8, "0");
}

/** The version in what `zoneRulesOf` wrote, if it knew one. */
export function zoneDataIn(stored: string): string | undefined {
  const colon = stored.lastIndexOf(":");
  return colon > 0 ? stored.slice(0, colon) : undefined;
}

/**
 * Whose rules placed a next tick: `own`, equal to this process's for the zones that matter; `newer` than this process's;
 * or `other`: older ones, or ones whose order is not known (a store of an earlier version of Punctual, a runtime that
 * does not say). Where no order is known each process goes by its own.
 */
export function placedBy(stored: string, rule: Rule, version: string | undefined): "own" | "newer" | "other" {
  const own = zoneRulesOf(rule, version);
  const print = (text: string) => text.slice(text.lastIndexOf(":") + 1);
  if (stored === "" || own === "" || print(stored) === print(own)) return "own";
  const theirs = zoneDataIn(stored);
  return isNewer(theirs, version) ? "newer" : "other";
}

/** Whether one version of the time zone data comes after another: a year and letters, which sort as they are. */
export function isNewer(version: string | undefined, than: string | undefined): boolean {
  const ordered = /^\d{4}[a-z]+$/;
  if (version === undefined || than === undefined || !ordered.test(version) || !ordered.test(than)) return false;
  return version > than;
}

/** What the wall clock of a rule's zone shows at an instant, for rules that tick at each wall time once. */
export function wallAt(rule: Rule, at: Millis, context: TickContext): Millis | undefined {
  const zone = wallZoneOf(rule, context);
  return zone === undefined || zone.id === "UTC" ? undefined : at + zone.offsetAt(at);
}
