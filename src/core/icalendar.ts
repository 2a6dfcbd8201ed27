// The all-day events of an iCalendar text (RFC 5545), as excluded days. Reads what holiday calendars hold, and refuses
// by name what it would have to guess at.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import { type ExcludedDay, readDay } from "./excluded-days.ts";

const dayMs = 86_400_000;

/** A yearly event of more days than this is taken for a mistake. */
const yearlyDaysMax = 31;

/** One content line: `NAME;PARAM=VALUE:value` (RFC 5545, 3.1). */
interface Line {
  readonly name: string;
  readonly parameters: string;
  readonly value: string;
}

/** Whether a text claims to be iCalendar. */
export function isIcalendar(text: string): boolean {
  return /^\uFEFF?\s*BEGIN:VCALENDAR\s/i.test(text);
}

/**
 * The days of the VEVENTs with `DTSTART;VALUE=DATE`. DTEND is exclusive; without it, and without DURATION, an event lasts
 * one day (RFC 5545, 3.6.1). Cancelled events are left out. Of recurrences only `RRULE:FREQ=YEARLY` is read.
 * @throws InvalidInputError naming event and property
 */
export function readIcalendar(text: string, timed: "refuse" | "ignore"): ExcludedDay[] {
  const days: ExcludedDay[] = [];
  let event: Map<string, Line> | undefined;
  let count = 0;
  /** Components within the event, such as VALARM: their lines are not the event's. */
  let within = 0;
  for (const line of contentLines(text)) {
    const component = line.value.trim().toUpperCase();
    if (line.name === "BEGIN") {
      if (event !== undefined) within++;
      else if (component === "VEVENT") event = new Map();
    } else if (line.name === "END") {
      if (within > 0) within--;
      else if (component === "VEVENT" && event !== undefined) {
        days.push(...daysOf(event, `data.events[${count}]`, timed));
        event = undefined;
        count++;
      }
    } else if (within === 0) event?.set(line.name, line);
  }
  if (event !== undefined) throw new InvalidInputError(`data.events[${count}] has no END:VEVENT`, { field: "data" });
  return days;
}

/** Unfolds the lines: a line that begins with a space or tab goes on with the one before (RFC 5545, 3.1). */
function contentLines(text: string): Line[] {
  return text
    .replace(/\r?\n[ \t]/g, "")
    .split(/\r?\n/)
    .flatMap((line) => {
      const parts = /^([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^":;,]*)(?:,(?:"[^"]*"|[^":;,]*))*)*):(.*)$/.exec(
        line,
      );
      const [, name = "", parameters = "", value = ""] = parts ?? [];
      return parts === null ? [] : [{ name: name.toUpperCase(), parameters: parameters.toUpperCase(), value }];
    });
}

function daysOf(event: ReadonlyMap<string, Line>, field: string, timed: "refuse" | "ignore"): ExcludedDay[] {
  const named = event.get("SUMMARY")?.value.slice(0, 40) ?? event.get("UID")?.value.slice(0, 40);
  const refuse = (property: string, why: string, mend?: string): never => {
    const name = named === undefined ? field : `${field} (${named})`;
    const options = { field: `${field}.${property}`, ...(mend === undefined ? {} : { mend }) };
    throw new InvalidInputError(`${name}: ${property} ${why}`, options);
  };
  const day = (property: string, line: Line): number => {
    const digits = /^(\d{4})(\d{2})(\d{2})$/.exec(line.value.trim());
    const found = digits === null ? undefined : readDay(digits.slice(1).join("-"));
    return found ?? refuse(property, `must be a day as YYYYMMDD, got ${shown(line.value)}`);
  };
  if (event.get("STATUS")?.value.trim().toUpperCase() === "CANCELLED") return [];
  const start = event.get("DTSTART");
  if (start === undefined) return refuse("DTSTART", "is missing");
  if (!/;VALUE=DATE(?:;|$)/.test(start.parameters)) {
    if (timed === "ignore") return [];
    return refuse(
      "DTSTART",
      "has a time of day, and excluded days are whole days",
      'Pass { timed: "ignore" } to leave such events out.',
    );
  }
  for (const property of ["RDATE", "EXDATE", "RECURRENCE-ID", "EXRULE"]) {
    if (event.has(property)) refuse(property, "is not read here", "List its days, or expand the calendar before.");
  }
  const from = day("DTSTART", start);
  const end = event.get("DTEND");
  const length = event.get("DURATION");
  // Some programs write a DTEND that is the day itself; RFC 5545 asks for a later one.
  const to = end !== undefined ? Math.max(from, day("DTEND", end) - 1) : from + lengthOf(length, refuse) - 1;
  const rule = event.get("RRULE");
  if (rule === undefined) {
    if (end !== undefined && day("DTEND", end) < from) refuse("DTEND", "is before DTSTART");
    return [{ from, to }];
  }
  return yearly(rule.value, from, to, refuse);
}

type Refuse = (property: string, why: string, mend?: string) => never;

/** DURATION of whole days or weeks, as an all-day event must have (RFC 5545, 3.6.1 and 3.3.6). */
function lengthOf(line: Line | undefined, refuse: Refuse): number {
  if (line === undefined) return 1;
  const [, count = "0", unit] = /^\+?P(\d{1,5})([DW])$/.exec(line.value.trim().toUpperCase()) ?? [];
  const days = Number(count) * (unit === "W" ? 7 : 1);
  return days > 0 ? days : refuse("DURATION", `must be whole days or weeks, got ${shown(line.value)}`);
}

/** `FREQ=YEARLY` on the event's own date; every other recurrence would be guessed at. */
function yearly(text: string, from: number, to: number, refuse: Refuse): ExcludedDay[] {
  const parts = new Map(
    text
      .trim()
      .toUpperCase()
      .split(";")
      .map((part) => part.split("=", 2) as [string, string]),
  );
  const first = new Date(from * dayMs);
  const own = {
    FREQ: "YEARLY",
    INTERVAL: "1",
    BYMONTH: `${first.getUTCMonth() + 1}`,
    BYMONTHDAY: `${first.getUTCDate()}`,
  };
  for (const [name, value = ""] of parts) {
    if (name === "WKST" || own[name as keyof typeof own] === value) continue;
    refuse(
      "RRULE",
      `is more than a plain FREQ=YEARLY: ${shown(text)}`,
      "List its days, or expand the calendar before.",
    );
  }
  if (!parts.has("FREQ")) refuse("RRULE", `names no FREQ: ${shown(text)}`);
  if (to - from >= yearlyDaysMax) refuse("DTEND", `makes a yearly event of more than ${yearlyDaysMax} days`);
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const at = new Date((from + index) * dayMs);
    return { month: at.getUTCMonth() + 1, day: at.getUTCDate() };
  });
}
