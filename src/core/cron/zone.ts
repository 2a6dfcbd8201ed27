/**
 * Time zones from the runtime's ICU through `Intl`: offsets and transitions, found once per zone on demand and shared
 * by every rule.
 */

import { hash128 } from "../hash.ts";
import { DAY_MS } from "./wall.ts";
import { canonicalZoneId } from "./zone-id.ts";

/**
 * A span of instants with one offset. A segment at the edge of what is known ends early and grows when asked
 * (`Zone.following`).
 */
export interface Segment {
  /** First instant; the transition's, when `before` differs from `offset`. */
  readonly start: number;
  /** First instant after it. */
  readonly end: number;
  /** Wall time minus instant, in ms. */
  readonly offset: number;
  /** The offset just before `start`; equal to `offset` when `start` is no transition. */
  readonly before: number;
  /** The offset from `end` on; equal to `offset` when `end` is no transition. */
  readonly after: number;
}

/** What a wall time is in a zone: skipped by a gap, one instant, or both passes of an overlap. */
export type WallInstants =
  | { readonly kind: "none"; readonly transition: number; readonly gapMs: number }
  | { readonly kind: "one"; readonly instant: number }
  | { readonly kind: "two"; readonly first: number; readonly second: number };

/** The largest instant of a `Date`. */
export const INSTANT_MAX = 8.64e15;

/** No zone has a transition before standard time began (the first of all is in 1835). */
const FIRST_TRANSITION = Date.UTC(1800, 0, 1);
/** Offsets are probed this far apart: IANA's shortest spell between two transitions is 3.99 days (Freetown, 1939). */
const PROBE_MS = 3 * DAY_MS;
/** How much is found out beyond what was asked. */
const AHEAD_MS = 400 * DAY_MS;
/** A question further than this from what is known starts anew instead of filling the span between. */
const JUMP_MS = 200 * 366 * DAY_MS;
/** Nothing within this of an edge is answered: a wall time may be repeated by a transition that near. */
const EDGE_MS = 2 * DAY_MS;

/** An empty segment: no instant is in it. */
const NOTHING: Segment = { start: 0, end: 0, offset: 0, before: 0, after: 0 };

type Growing = { -readonly [Key in keyof Segment]: Segment[Key] };

/** One zone's transitions, found when first asked for and kept. Get one from `getZone`. */
export class Zone {
  /** The canonical spelling of the zone's IANA id. */
  readonly id: string;
  readonly #probe: (instant: number) => number;
  #segments: Growing[] = [];
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  #recent: Segment = NOTHING;

  /** @param probe wall time minus instant in ms; what the runtime's `Intl` says when absent */
  constructor(id: string, probe?: (instant: number) => number) {
    this.id = id;
    const format = offsetFormat(id);
    this.#probe = probe ?? ((instant) => offsetOf(format, instant));
    const { timeZone } = format.resolvedOptions();
    if (/^(UTC|GMT|Etc\/.*)$/.test(timeZone)) {
      const offset = this.#probe(0);
      this.#from = Number.NEGATIVE_INFINITY;
      this.#to = Number.POSITIVE_INFINITY;
      this.#segments = [{ start: this.#from, end: this.#to, offset, before: offset, after: offset }];
    }
  }

  /** The segment an instant (finite epoch ms) is in. */
  segmentAt(instant: number): Segment {
    const recent = this.#recent;
    if (instant >= recent.start && instant < recent.end) return recent;
    const found = this.#find(instant);
    this.#recent = found;
    return found;
  }

  /** The segment after this one; the same one, longer, when it did not really end; undefined at the end of time. */
  following(segment: Segment): Segment | undefined {
    return segment.end >= INSTANT_MAX ? undefined : this.#find(segment.end);
  }

  /** Wall time minus instant at an instant, in ms. */
  offsetAt(instant: number): number {
    return this.segmentAt(instant).offset;
  }

  #find(instant: number): Segment {
    this.#cover(instant);
    const segments = this.#segments;
    let low = 0;
    let high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((segments[middle] as Growing).start <= instant) low = middle;
      else high = middle - 1;
    }
    return segments[low] as Growing;
  }

  #cover(instant: number): void {
    if (instant < this.#from - JUMP_MS || instant > this.#to + JUMP_MS) this.#restart(instant);
    if (instant >= this.#to - EDGE_MS) this.#coverUntil(Math.min(wholeDays(instant + AHEAD_MS), INSTANT_MAX));
    if (instant < this.#from + EDGE_MS) this.#coverSince(wholeDays(instant - AHEAD_MS));
  }

  /** Forgets everything but one segment around an instant. */
  #restart(instant: number): void {
    const at = wholeDays(Math.max(FIRST_TRANSITION, Math.min(instant, INSTANT_MAX)));
    const offset = this.#probe(at);
    this.#from = at;
    this.#to = at;
    this.#segments = [{ start: at, end: at, offset, before: offset, after: offset }];
  }

  #coverUntil(to: number): void {
    let last = this.#segments.at(-1) as Growing;
    for (const { at, before, after } of this.#transitions(this.#to, to)) {
      last.end = at;
      last.after = after;
      last = { start: at, end: at, offset: after, before, after };
      this.#segments.push(last);
    }
    this.#to = to === INSTANT_MAX ? Number.POSITIVE_INFINITY : to;
    last.end = Math.max(last.start, this.#to - EDGE_MS);
  }

  #coverSince(from: number): void {
    const until = this.#from;
    const since = Math.max(from, FIRST_TRANSITION);
    const found = until > since ? this.#transitions(since, until) : [];
    let first = this.#segments[0] as Growing;
    for (const { at, before } of found.reverse()) {
      first.start = at;
      first.before = before;
      first = { start: at, end: at, offset: before, before, after: first.offset };
      this.#segments.unshift(first);
    }
    this.#from = since === FIRST_TRANSITION ? Number.NEGATIVE_INFINITY : since;
    first.start = Math.min(first.end, this.#from + EDGE_MS);
  }

  /** The transitions in (from, to], by probing and bisecting to the second. */
  #transitions(from: number, to: number): { at: number; before: number; after: number }[] {
    const found: { at: number; before: number; after: number }[] = [];
    let left = from;
    let before = this.#probe(left);
    while (left < to) {
      const right = Math.min(left + PROBE_MS, to);
      const after = this.#probe(right);
      if (after !== before) {
        let low = Math.floor(left / 1000);
        let high = Math.ceil(right / 1000);
        while (high - low > 1) {
          const middle = Math.floor((low + high) / 2);
          if (this.#probe(middle * 1000) === before) low = middle;
          else high = middle;
        }
        found.push({ at: high * 1000, before, after });
      }
      left = right;
      before = after;
    }
    return found;
  }
}

function wholeDays(instant: number): number {
  return Math.floor(instant / DAY_MS) * DAY_MS;
}

const zones = new Map<string, Zone>();
let standIns: ReadonlyMap<string, Zone> | undefined;

/** Runs something synchronous with zones of other rules than the runtime's, as a replica with other data would. */
export function withZones<T>(others: readonly Zone[], work: () => T): T {
  const before = standIns;
  standIns = new Map(others.map((zone) => [zone.id, zone]));
  try {
    return work();
  } finally {
    standIns = before;
  }
}

/** The zone of an IANA id, in any case; the same object for the same zone. Throws `InvalidTimeZoneError`. */
export function getZone(id: string): Zone {
  const known = standIns?.get(id) ?? zones.get(id);
  if (known !== undefined) return known;
  const canonical = canonicalZoneId(id);
  let zone = zones.get(canonical);
  if (zone === undefined) {
    zone = new Zone(canonical);
    zones.set(canonical, zone);
  }
  return zone;
}

/** The instants at which a zone's clocks show a wall time (ms, as if it were UTC). */
export function wallToInstants(zone: Zone, wallMs: number): WallInstants {
  // Offsets stay within 16 hours, and a segment lasts days: at most one transition is near enough to matter.
  let segment = zone.segmentAt(wallMs - 16 * 3_600_000);
  let first: number | undefined;
  for (;;) {
    const opening = segment.start + segment.offset;
    if (wallMs < opening && first === undefined) {
      return { kind: "none", transition: segment.start, gapMs: segment.offset - segment.before };
    }
    if (wallMs >= opening && wallMs < segment.end + segment.offset) {
      const instant = wallMs - segment.offset;
      if (first !== undefined) return { kind: "two", first, second: instant };
      if (wallMs < segment.end + segment.after) return { kind: "one", instant };
      first = instant;
    }
    const following = zone.following(segment);
    if (following === undefined || (first !== undefined && following.start > first + DAY_MS)) {
      return { kind: "one", instant: first ?? wallMs - segment.offset };
    }
    segment = following;
  }
}

/**
 * A fingerprint of the runtime's time zone rules: equal where the rules are, different after an update that matters.
 * It tells different rules apart, not older from newer.
 * With a zone: of that zone's transitions from 2020 to 2050 (about 2 ms, once). Without: of all zones' offsets month
 * by month from 2020 to 2040 (about 0.1 s, once).
 */
export function zoneRulesVersion(zone?: Zone): string {
  if (zone === undefined) {
    allRules ??= fingerprint(Intl.supportedValuesOf("timeZone").map(monthlyOffsets).join("\n"));
    return allRules;
  }
  let version = zoneRules.get(zone);
  if (version === undefined) {
    const until = Date.UTC(2050, 0, 1);
    const parts: string[] = [];
    let segment: Segment | undefined = zone.segmentAt(Date.UTC(2020, 0, 1));
    parts.push(String(segment.offset));
    while (segment !== undefined && segment.end < until) {
      if (segment.after !== segment.offset) parts.push(`${segment.end} ${segment.after}`);
      segment = zone.following(segment);
    }
    version = fingerprint(parts.join("\n"));
    zoneRules.set(zone, version);
  }
  return version;
}

let allRules: string | undefined;
const zoneRules = new WeakMap<Zone, string>();

function monthlyOffsets(id: string): string {
  const format = offsetFormat(id);
  const monthly: number[] = [];
  for (let month = 0; month < 240; month++) monthly.push(offsetOf(format, Date.UTC(2020, month, 1)) / 1000);
  return `${id} ${monthly.join(" ")}`;
}

function fingerprint(text: string): string {
  return hash128(text)
    .slice(0, 2)
    .map((word) => word.toString(16).padStart(8, "0"))
    .join("");
}

function offsetFormat(timeZone: string): Intl.DateTimeFormat {
  // "longOffset" is exact to the second; a weekday beside it is the cheapest text that lets `format` be used.
  return new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset", weekday: "short" });
}

/** The offset in ms that a text such as "Tue, GMT-04:56:02" or "Tue, GMT" ends with. */
function offsetOf(format: Intl.DateTimeFormat, instant: number): number {
  const name = format.format(instant).slice("Tue, GMT".length);
  let offset = offsets.get(name);
  if (offset === undefined) {
    const [hours, minutes, seconds] = name.slice(1).split(":").map(Number);
    const ms = ((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1000;
    offset = name[0] === "-" ? -ms : ms;
    offsets.set(name, offset);
  }
  return offset;
}

/** Offsets by their text, as `Intl` writes it: a few hundred at most. */
const offsets = new Map<string, number>();
