// Which ticks of a schedule a test means, and how they are told in messages.
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import type { TickRecord, TicksSkipped } from "../runtime/tick-history.ts";
import type { LocalTime, TestInstant } from "./local-time.ts";

/** What a tick must be like; what is left out may be anything. Fired ticks are meant, unless `skipped` is given. */
export interface TickMatch {
  readonly tenant?: string;
  /** The nominal instant; a run of skipped ticks contains those from its first to its last. */
  readonly at?: TestInstant;
  /** Nominal instants from the first on and before the second. */
  readonly between?: readonly [TestInstant, TestInstant];
  /** Skipped for this reason; `true` for any. */
  readonly skipped?: TicksSkipped["reason"] | true;
  /** How many; at least one when absent. */
  readonly count?: number;
}

const reasons: readonly TicksSkipped["reason"][] = ["late", "overlap", "disabled", "limit"];

/** @throws InvalidInputError naming the member at fault */
export function checkTickMatch(match: TickMatch, time: LocalTime): void {
  refuseUnknown(match, ["tenant", "at", "between", "skipped", "count"], "");
  const { at, between, skipped } = match;
  if (skipped !== undefined && skipped !== true && !reasons.includes(skipped)) {
    const message = `skipped must be true or one of ${reasons.join(", ")}, got ${shown(skipped)}`;
    throw new InvalidInputError(message, { field: "skipped" });
  }
  if (at !== undefined) time.read(at, "at");
  if (between === undefined) return;
  const [from, before] = [time.read(between[0], "between[0]"), time.read(between[1], "between[1]")];
  if (from < before) return;
  const [first, second] = [from, before].map((instant) => time.show(new Date(instant)));
  throw new InvalidInputError(`between must begin before it ends, got ${first} to ${second}`, { field: "between" });
}

/**
 * That none is there says nothing of a time to come.
 * @throws InvalidInputError when what is meant ends after now
 */
export function refuseToCome({ at, between }: TickMatch, now: number, time: LocalTime): void {
  const ends: [string, number][] = [];
  if (at !== undefined) ends.push(["at", time.read(at, "at")]);
  if (between !== undefined) ends.push(["between[1]", time.read(between[1], "between[1]")]);
  const toCome = ends.find(([, end]) => end > now);
  if (toCome === undefined) return;
  const [asked, shows] = [toCome[1], now].map((instant) => time.show(new Date(instant)));
  const message = `${toCome[0]} is ${asked}, and the clock shows ${shows}: nobody knows yet whether it will tick`;
  throw new InvalidInputError(message, {
    field: toCome[0],
    mend: "Move the clock on first, or look at the time before.",
  });
}

/** Which of the ticks, in order, is the first not before what is meant; undefined when no time is. */
export function placeOf({ at, between }: TickMatch, ticks: readonly TickRecord[], time: LocalTime): number | undefined {
  const wanted = at ?? between?.[0];
  if (wanted === undefined) return undefined;
  const instant = time.read(wanted, "at");
  const place = ticks.findIndex(({ tick }) => tick.getTime() >= instant);
  return place < 0 ? ticks.length : place;
}

/** Whether an entry of the history is meant. */
export function fits(tick: TickRecord, { at, between, skipped }: TickMatch, time: LocalTime): boolean {
  if ((tick.outcome === "skipped") !== (skipped !== undefined)) return false;
  if (tick.outcome === "skipped" && skipped !== true && tick.reason !== skipped) return false;
  const first = tick.tick.getTime();
  const last = tick.outcome === "skipped" ? tick.through.getTime() : first;
  if (at !== undefined) {
    const wanted = time.read(at, "at");
    if (wanted < first || wanted > last) return false;
  }
  if (between === undefined) return true;
  return last >= time.read(between[0], "between[0]") && first < time.read(between[1], "between[1]");
}

/** How many ticks the entries stand for: a run of skipped ones for as many as it has. */
export function countOf(ticks: readonly TickRecord[]): number {
  return ticks.reduce((sum, tick) => sum + (tick.outcome === "skipped" ? tick.count : 1), 0);
}

/** An entry of the history in a line. */
export function tickLine(tick: TickRecord, time: LocalTime): string {
  if (tick.outcome === "fired") return `${time.show(tick.tick)} fired${tick.trigger === true ? " by a trigger" : ""}`;
  const through = tick.count === 1 ? "" : ` through ${time.show(tick.through)}: ${tick.count}`;
  return `${time.show(tick.tick)}${through} skipped (${tick.reason})`;
}

/** A match in words. */
export function describeTicks({ at, between, skipped, tenant }: TickMatch, time: LocalTime): string {
  const show = (instant: TestInstant, field: string) => time.show(new Date(time.read(instant, field)));
  return [
    tenant === undefined ? "" : ` of tenant ${tenant}`,
    at === undefined ? "" : ` at ${show(at, "at")}`,
    between === undefined ? "" : ` from ${show(between[0], "between[0]")} to before ${show(between[1], "between[1]")}`,
    skipped === undefined ? "" : skipped === true ? " that was skipped" : ` that was skipped as ${skipped}`,
  ].join("");
}
