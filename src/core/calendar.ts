// `calendar`: holiday data, as lists and files give it, into the excluded days of a rule.
import { defaults } from "./defaults.ts";
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";
import {
  type DaySpan,
  type ExcludedDay,
  joinSpans,
  readDay,
  readExcludedDay,
  writeExcludedDay,
} from "./excluded-days.ts";
import { isIcalendar, readIcalendar } from "./icalendar.ts";
import { refuseUnknown } from "./options.ts";

const dayMs = 86_400_000;

/** Characters of a text, and entries of a list, that are looked at at most. */
const textCharsMax = 4 * 1024 * 1024;
const entriesMax = 50_000;

/** How far from whole days a holiday's length may be: clocks change by two hours at most. */
const clockChangeMsMax = 7_200_000;

/**
 * A holiday as npm `date-holidays` and `nager.at` give it: `date` is YYYY-MM-DD, and may go on with the time 00:00.
 * `start` and `end`, where both are there, say that it lasts several days. Other members are not looked at.
 */
export interface Holiday {
  readonly date: string;
  readonly start?: Date | string;
  readonly end?: Date | string;
  readonly type?: string;
  readonly types?: readonly string[] | null;
}

/** Options of `calendar`. */
export interface CalendarOptions {
  /** Only holidays of these types ("public", in any case); those that name none are taken. One must match. All by default. */
  readonly types?: readonly string[];
  /** What to do with holidays and events that begin or end within a day: `refuse` (default), or `ignore` them. */
  readonly timed?: "refuse" | "ignore";
}

/**
 * Excluded days for `except(rule, calendar(data))`, from holiday data: days (`"2026-12-25"`), intervals with both their
 * ends (`"2026-12-24/2027-01-01"`), yearly days (`"--12-25"`), objects with a `date`, or the text of an iCalendar file
 * with all-day events. Days are whole local days of the zone that `except` reads them in. The answer is sorted, runs of
 * days are joined to intervals, and it has at most 5,000 texts.
 * @throws InvalidInputError naming the entry and field
 */
export function calendar(
  data: string | readonly (string | Holiday)[],
  options: CalendarOptions = {},
): readonly string[] {
  refuseUnknown(options, ["types", "timed"], "");
  const { timed = "refuse" } = options;
  if (timed !== "refuse" && timed !== "ignore") {
    throw new InvalidInputError(`timed must be refuse or ignore, got ${shown(timed)}`, { field: "timed" });
  }
  const types = checkTypes(options.types);
  const days = typeof data === "string" ? fromText(data, timed) : fromEntries(data, types, timed);
  const spans = joinSpans(days.filter((day): day is DaySpan => "from" in day)).map(writeExcludedDay);
  const yearly = new Set(days.filter((day) => "month" in day).map(writeExcludedDay));
  const texts = [...[...yearly].sort(), ...spans];
  if (texts.length > defaults.excludedMax) {
    throw new InvalidInputError(
      `data must come to at most ${defaults.excludedMax} days and intervals, got ${texts.length}`,
      { field: "data", mend: "Leave out years that are past or far ahead." },
    );
  }
  return Object.freeze(texts);
}

function fromText(text: string, timed: Timed): ExcludedDay[] {
  if (text.length > textCharsMax) {
    throw new InvalidInputError(`data must have at most ${textCharsMax} characters, got ${text.length}`, {
      field: "data",
    });
  }
  if (!isIcalendar(text)) {
    throw new InvalidInputError(`data must be a list, or the text of an iCalendar file, got ${shown(text)}`, {
      field: "data",
      mend: "An iCalendar text begins with BEGIN:VCALENDAR. Parse JSON before, and put a single day in a list.",
    });
  }
  return readIcalendar(text, timed);
}

type Timed = NonNullable<CalendarOptions["timed"]>;

function fromEntries(data: unknown, types: ReadonlySet<string> | undefined, timed: Timed): ExcludedDay[] {
  if (!Array.isArray(data)) {
    throw new InvalidInputError(`data must be a list, or the text of an iCalendar file, got ${shown(data)}`, {
      field: "data",
    });
  }
  if (data.length > entriesMax) {
    throw new InvalidInputError(`data must have at most ${entriesMax} entries, got ${data.length}`, { field: "data" });
  }
  if (types !== undefined) refuseUnmatched(data, types);
  return (data as readonly unknown[]).flatMap((entry, index) => {
    const field = `data[${index}]`;
    if (typeof entry === "string") return [readExcludedDay(entry, field)];
    if (typeof entry !== "object" || entry === null || !("date" in entry)) {
      throw new InvalidInputError(`${field} must be a day or an object with a date, got ${shown(entry)}`, { field });
    }
    return isWanted(entry, types) ? holiday(entry as Holiday, field, timed) : [];
  });
}

/** Types that none of the data's are: a slip, which would silently leave out no holiday. */
function refuseUnmatched(data: readonly unknown[], types: ReadonlySet<string>): void {
  const there = new Set(data.flatMap(typesOf));
  if (there.size === 0 || [...types].some((type) => there.has(type))) return;
  const known = [...there].sort().slice(0, 20).join(", ");
  throw new InvalidInputError(
    `types must name one of the data's types, which are ${known}; got ${[...types].join(", ")}`,
    {
      field: "types",
    },
  );
}

function isWanted(entry: object, types: ReadonlySet<string> | undefined): boolean {
  const own = types === undefined ? [] : typesOf(entry);
  return own.length === 0 || own.some((one) => types?.has(one));
}

/** The types that an entry names, in small letters. */
function typesOf(entry: unknown): string[] {
  if (typeof entry !== "object" || entry === null) return [];
  const { type, types: several } = entry as Partial<Record<keyof Holiday, unknown>>;
  return [type, ...(Array.isArray(several) ? (several as readonly unknown[]) : [])]
    .filter((one) => typeof one === "string")
    .map((one) => one.toLowerCase());
}

/** The days of a holiday; none of one with a time of day, where those are ignored. */
function holiday({ date, start, end }: Holiday, field: string, timed: Timed): DaySpan[] {
  const [, day = "", time] = (typeof date === "string" && /^(.{10})(?:[ T](.*))?$/.exec(date)) || [];
  const from = readDay(day);
  if (from === undefined) {
    throw new InvalidInputError(`${field}.date must begin with a day as YYYY-MM-DD, got ${shown(date)}`, {
      field: `${field}.date`,
    });
  }
  const partial = (member: "date" | "end", why: string): DaySpan[] => {
    if (timed === "ignore") return [];
    throw new InvalidInputError(`${field}.${member} ${why}, and excluded days are whole days`, {
      field: `${field}.${member}`,
      mend: 'Pass { timed: "ignore" } to leave such holidays out, or give the day as a text such as "2026-12-24".',
    });
  };
  // date-holidays writes a time always, and for some calendars a zone behind it: "2026-09-12 00:00:00 -0600".
  if (time !== undefined && !/^00:00(?::00(?:\.0+)?)?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?$/.test(time)) {
    return partial("date", `has a time of day, ${shown(date)}`);
  }
  if (start === undefined || end === undefined) return [{ from, to: from }];
  const begins = instantOf(start, `${field}.start`);
  const ends = instantOf(end, `${field}.end`);
  if (ends < begins) {
    throw new InvalidInputError(`${field}.end must not be before ${field}.start`, { field: `${field}.end` });
  }
  // `end` is exclusive; rounded, as a day on which clocks change has 23 or 25 hours.
  const count = Math.round((ends - begins) / dayMs);
  if (Math.abs(ends - begins - count * dayMs) > clockChangeMsMax) {
    return partial("end", "is not whole days after the start");
  }
  return [{ from, to: from + Math.max(1, count) - 1 }];
}

function instantOf(value: Date | string, field: string): number {
  const at = value instanceof Date ? value.getTime() : typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new InvalidInputError(`${field} must be a valid Date or its text, got ${shown(value)}`, { field });
  }
  return at;
}

function checkTypes(types: unknown): ReadonlySet<string> | undefined {
  if (types === undefined) return undefined;
  if (!Array.isArray(types) || types.length === 0 || types.some((type) => typeof type !== "string")) {
    throw new InvalidInputError(`types must be a list of texts such as ["public"], got ${shown(types)}`, {
      field: "types",
    });
  }
  return new Set((types as readonly string[]).map((type) => type.toLowerCase()));
}
