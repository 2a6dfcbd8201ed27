// Excluded days as a rule stores them: a day, an interval of days, or a day of every year; and which of them a day is in.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

const dayMs = 86_400_000;

/** A span of days, both ends in it, counted from 1970-01-01. */
export interface DaySpan {
  readonly from: number;
  readonly to: number;
}

/** What one text means: days of the calendar, or a day of every year. */
export type ExcludedDay = DaySpan | { readonly month: number; readonly day: number };

/** What is accepted, for messages. */
const forms =
  'a day ("2026-12-25"), an interval with both its ends ("2026-12-24/2027-01-01") or a yearly day ("--12-25")';

/**
 * Reads an excluded day: `YYYY-MM-DD`; two of them with a `/` between, both included (ISO 8601-1, 5.5; as in EDTF level
 * 0); or `--MM-DD`, a month and day of every year (RFC 6350, 4.3.1; `gMonthDay` of XML Schema).
 * @throws InvalidInputError naming the field
 */
export function readExcludedDay(text: unknown, field: string): ExcludedDay {
  if (typeof text !== "string") throw refusal(text, field);
  if (text.startsWith("--")) {
    // A leap year: February 29 is a yearly day too, which other years lack.
    const day = readDay(`2000-${text.slice(2)}`);
    if (day === undefined) throw refusal(text, field);
    const at = new Date(day * dayMs);
    return { month: at.getUTCMonth() + 1, day: at.getUTCDate() };
  }
  const slash = text.indexOf("/");
  const from = readDay(slash < 0 ? text : text.slice(0, slash));
  const to = slash < 0 ? from : readDay(text.slice(slash + 1));
  if (from === undefined || to === undefined) throw refusal(text, field);
  if (to < from) throw new InvalidInputError(`${field} must not end before it begins, got ${shown(text)}`, { field });
  return { from, to };
}

/** Writes an excluded day in the one way that `readExcludedDay` reads back. */
export function writeExcludedDay(one: ExcludedDay): string {
  if ("month" in one) return `--${two(one.month)}-${two(one.day)}`;
  return one.from === one.to ? dayText(one.from) : `${dayText(one.from)}/${dayText(one.to)}`;
}

/** Sorts spans and joins those that touch. */
export function joinSpans(spans: readonly DaySpan[]): DaySpan[] {
  const joined: DaySpan[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last === undefined || span.from > last.to + 1) joined.push(span);
    else if (span.to > last.to) joined[joined.length - 1] = { from: last.from, to: span.to };
  }
  return joined;
}

/** The days that a rule excludes, to be asked for many ticks. */
export class ExcludedDays {
  readonly #spans: readonly DaySpan[];
  readonly #yearly: ReadonlySet<number>;

  constructor(texts: readonly string[]) {
    const read = texts.map((text) => readExcludedDay(text, "days"));
    this.#spans = joinSpans(read.filter((one) => "from" in one));
    this.#yearly = new Set(read.filter((one) => "month" in one).map(({ month, day }) => month * 32 + day));
  }

  /** The last day of the excluded run that a day (since 1970-01-01) is in; undefined when it is not excluded. */
  runEnd(day: number): number | undefined {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const span = this.#spans[middle] as DaySpan;
      if (day < span.from) high = middle - 1;
      else if (day > span.to) low = middle + 1;
      else return span.to;
    }
    if (this.#yearly.size === 0) return undefined;
    const at = new Date(day * dayMs);
    return this.#yearly.has((at.getUTCMonth() + 1) * 32 + at.getUTCDate()) ? day : undefined;
  }
}

const known = new WeakMap<readonly string[], ExcludedDays>();

/** The days of a rule's list, read once for each list. */
export function excludedDaysOf(texts: readonly string[]): ExcludedDays {
  let days = known.get(texts);
  if (days === undefined) {
    days = new ExcludedDays(texts);
    known.set(texts, days);
  }
  return days;
}

/** The days since 1970-01-01 of a text as YYYY-MM-DD; undefined for what is none, or no real day. */
export function readDay(text: string): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (parts === null) return undefined;
  const [year, month, date] = parts.slice(1).map(Number) as [number, number, number];
  // setUTCFullYear takes years below 100 for what they are.
  const at = new Date(0).setUTCFullYear(year, month - 1, date);
  const real = new Date(at).getUTCMonth() === month - 1 && new Date(at).getUTCDate() === date;
  return real ? at / dayMs : undefined;
}

function dayText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function refusal(text: unknown, field: string): InvalidInputError {
  return new InvalidInputError(`${field} must be ${forms}, got ${shown(text)}`, { field });
}
