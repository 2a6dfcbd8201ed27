/**
 * Cron expressions: text in, compiled fields out, or an error naming the field, the text and a correction (CRON.md
 * 1-3).
 */

import { InvalidCronError } from "../errors.ts";
import { hash128 } from "../hash.ts";
import { comes } from "./days.ts";
import { type CronFields, FIELD_SPECS, type FieldSpec, MONTH, MONTH_DAY, WEEKDAY } from "./fields.ts";

/** The longest expression accepted. */
export const EXPRESSION_LENGTH_MAX = 1000;

/**
 * What one field's terms add up to; masks count from the field's smallest value, `low` the first 30 and `high` the
 * rest.
 */
interface Field {
  low: number;
  high: number;
  lastDays: number;
  lastWorkday: boolean;
  nearestWorkdays: number;
  lastWeekdays: number;
  nthWeekdays: number[] | undefined;
}

/** What a term's reader needs to know, and to name in an error. */
interface Reading {
  readonly spec: FieldSpec;
  readonly expression: string;
  readonly seed: string;
  /** The seed's hash for this field, once a term has asked for it. */
  hash: number | undefined;
}

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

const NO_NTH: readonly number[] = Object.freeze([]);
const DIGITS = /^[0-9]+$/;
/** `H` alone stays on dates which every month has. */
const HASHED_DATE_MAX = 28;

/**
 * Compiles a cron expression of 5 or 6 fields or a nickname. `seed` decides the values of `H` terms: equal seeds,
 * equal values.
 * Throws `InvalidCronError` for everything CRON.md 1 refuses, dates which never come included.
 */
export function parseCron(expression: string, seed = ""): CronFields {
  const texts = splitFields(expression);
  const specs = texts.length === 6 ? FIELD_SPECS : FIELD_SPECS.slice(1);
  const parsed = specs.map((spec, i) => readField({ spec, expression, seed, hash: undefined }, texts[i] ?? ""));
  if (texts.length === 5) {
    parsed.unshift({ ...emptyField(), low: 1 });
    texts.unshift("0");
  }
  const fields = compile(parsed as [Field, Field, Field, Field, Field, Field], texts);
  if (!comes(fields)) throw neverComes(expression, texts);
  return fields;
}

function splitFields(expression: string): string[] {
  if (typeof expression !== "string") {
    throw refusal("expression", typeof expression, "", "a cron expression is text", "write it as a string");
  }
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    const why = `it has ${expression.length} characters, more than ${EXPRESSION_LENGTH_MAX}`;
    throw refusal("expression", expression, expression, why, "split it into several schedules");
  }
  if (/[\r\n]/.test(expression)) {
    throw refusal("expression", expression, expression, "it holds a line break", "write one line");
  }
  const texts = expression.split(/[ \t]+/).filter((text) => text !== "");
  if (texts.length === 0)
    throw refusal("expression", expression, expression, "it is empty", 'write five fields, as in "0 9 * * 1-5"');
  if (texts[0]?.startsWith("@")) return nickname(texts.join(" ")).split(" ");
  // A lone dash is a range that spaces tore apart, so the count of fields says nothing: name it by the 5-field layout.
  const dash = texts.indexOf("-");
  if (dash > 0) {
    const name = FIELD_SPECS[Math.min(dash + 1, 5)]?.name ?? "expression";
    throw refusal(
      name,
      "-",
      expression,
      "a range has no spaces",
      `write "${clip(texts[dash - 1])}-${clip(texts[dash + 1])}"`,
    );
  }
  if (texts.length === 5 || texts.length === 6) return texts;
  const years = texts.length === 7 ? "leave the year field out" : "write minute hour day-of-month month day-of-week";
  throw refusal("expression", expression, expression, `it has ${texts.length} fields, not 5 or 6`, years);
}

function nickname(text: string): string {
  const lower = text.toLowerCase();
  const expression = NICKNAMES.get(lower);
  if (expression !== undefined) return expression;
  const known = [...NICKNAMES.keys()].join(" ");
  if (/^@every\b/.test(lower)) {
    throw refusal("expression", text, text, "@every is not a cron rule", "use an interval schedule (every)");
  }
  if (lower === "@reboot")
    throw refusal("expression", text, text, "@reboot is no instant", "enqueue the job at start instead");
  throw refusal("expression", text, text, "no such nickname", `use one of ${known}`);
}

function emptyField(): Field {
  return {
    low: 0,
    high: 0,
    lastDays: 0,
    lastWorkday: false,
    nearestWorkdays: 0,
    lastWeekdays: 0,
    nthWeekdays: undefined,
  };
}

function readField(reading: Reading, text: string): Field {
  const field = emptyField();
  for (const term of text.split(",")) {
    if (term === "") throw refuse(reading, text, "a list has an empty term", "take out the extra comma");
    if (!readSpecial(reading, term.toUpperCase(), field)) readTerm(reading, term, field);
  }
  return field;
}

/** Reads L, L-n, LW, nW, nL and n#k; false when the term is none of them. */
function readSpecial(reading: Reading, term: string, field: Field): boolean {
  const { spec } = reading;
  if (spec === MONTH_DAY) {
    if (term === "L") field.lastDays |= 1;
    else if (term === "LW") field.lastWorkday = true;
    else if (term.startsWith("L-")) field.lastDays |= 1 << readNumber(reading, term, term.slice(2), 1, 30);
    else if (term.length > 1 && term.endsWith("W")) {
      field.nearestWorkdays |= 1 << (readNumber(reading, term, term.slice(0, -1), 1, 31) - 1);
    } else return false;
    return true;
  }
  if (spec !== WEEKDAY) return false;
  const hash = term.indexOf("#");
  if (hash >= 0) {
    const nth = readNumber(reading, term, term.slice(hash + 1), 1, 5) - 1;
    field.nthWeekdays ??= [0, 0, 0, 0, 0];
    field.nthWeekdays[nth] = (field.nthWeekdays[nth] ?? 0) | (1 << (readValue(reading, term, term.slice(0, hash)) % 7));
    return true;
  }
  if (term === "L")
    throw refuse(reading, term, "the last what of the month?", 'name a day, as in "5L" for the last Friday');
  if (!term.endsWith("L")) return false;
  field.lastWeekdays |= 1 << (readValue(reading, term, term.slice(0, -1)) % 7);
  return true;
}

/** Reads `*`, `v`, `a-b`, `H`, each with or without a step, into the field. */
function readTerm(reading: Reading, term: string, field: Field): void {
  const { spec } = reading;
  const slash = term.indexOf("/");
  const body = slash < 0 ? term : term.slice(0, slash);
  const step = slash < 0 ? 0 : readStep(reading, term, term.slice(slash + 1));
  const dash = body.indexOf("-");
  if (body[0] === "H" || body[0] === "h") {
    readHashed(reading, term, body, step, field);
  } else if (body === "*" || (body === "?" && (spec === MONTH_DAY || spec === WEEKDAY))) {
    addRange(spec, spec.min, spec.max, step || 1, field);
  } else if (dash >= 0) {
    const [from, to] = readRange(reading, term, body.slice(0, dash), body.slice(dash + 1));
    addRange(spec, from, to, step || 1, field);
  } else {
    const value = readValue(reading, term, body);
    // 7 is Sunday, and the weekday field ends with Saturday: "7/2" counts from Sunday as "0/2" does.
    if (step === 0) addRange(spec, value, value, 1, field);
    else addRange(spec, spec === WEEKDAY ? value % 7 : value, spec.max, step, field);
  }
}

function addRange(spec: FieldSpec, from: number, to: number, step: number, field: Field): void {
  if (step === 1 && spec !== WEEKDAY) {
    const [first, end] = [from - spec.min, to - spec.min + 1];
    field.low |= ones(end) & ~ones(first);
    field.high |= ones(end - 30) & ~ones(first - 30);
    return;
  }
  for (let value = from; value <= to; value += step) {
    const bit = spec === WEEKDAY ? value % 7 : value - spec.min;
    if (bit < 30) field.low |= 1 << bit;
    else field.high |= 1 << (bit - 30);
  }
}

/** The lowest `count` bits, cut to 0-30. */
function ones(count: number): number {
  return (1 << Math.max(0, Math.min(count, 30))) - 1;
}

function readRange(reading: Reading, term: string, from: string, to: string): [number, number] {
  const { spec } = reading;
  const first = readValue(reading, term, from);
  let last = readValue(reading, term, to);
  // A week may end with Sunday by its name, as in FRI-SUN.
  if (spec === WEEKDAY && to.toUpperCase() === "SUN" && first > 0) last = 7;
  if (first > last) {
    const mend = spec === WEEKDAY && last === 0 ? `${from}-7` : `${from}-${spec.max},${spec.min}-${to}`;
    throw refuse(reading, term, "the range runs backwards", `write "${mend}"`);
  }
  return [first, last];
}

function readStep(reading: Reading, term: string, text: string): number {
  const { spec } = reading;
  const width = spec.max - spec.min + 1;
  if (!DIGITS.test(text))
    throw refuse(reading, term, "the step is not a whole number", `write a step from 1 to ${width}`);
  const step = Number(text);
  if (step === 0) throw refuse(reading, term, "the step is 0", `write a step from 1 to ${width}`);
  if (step > width) {
    throw refuse(
      reading,
      term,
      `the step is wider than the field, which has ${width} values`,
      `write a step from 1 to ${width}`,
    );
  }
  return step;
}

/** Reads `H`, `H/n`, `H(a-b)` and `H(a-b)/n`: with a step, the hash chooses where the steps begin. */
function readHashed(reading: Reading, term: string, body: string, step: number, field: Field): void {
  const { spec, seed } = reading;
  reading.hash ??= hash128(`${spec.name} ${seed}`)[0];
  let from = spec.min;
  let to = spec === MONTH_DAY && step === 0 ? HASHED_DATE_MAX : spec.max;
  if (body.length > 1) {
    const dash = body.indexOf("-");
    if (body[1] !== "(" || !body.endsWith(")") || dash < 0) {
      throw refuse(reading, term, "H is followed by nothing, a step or a range", 'write "H", "H/15" or "H(0-29)"');
    }
    [from, to] = readRange(reading, term, body.slice(2, dash), body.slice(dash + 1, -1));
  }
  const width = to - from + 1;
  const start = from + (reading.hash % (step === 0 ? width : Math.min(step, width)));
  addRange(spec, start, step === 0 ? start : to, step || 1, field);
}

/** Reads a number or a name of the field; 7 stays 7 in day-of-week. */
function readValue(reading: Reading, term: string, text: string): number {
  const { spec } = reading;
  if (/^[A-Za-z]{3}$/.test(text)) {
    const index = spec.names.indexOf(text.toLowerCase());
    if (index >= 0) return index + spec.min;
  }
  return readNumber(reading, term, text, spec.min, spec === WEEKDAY ? 7 : spec.max);
}

function readNumber(reading: Reading, term: string, text: string, min: number, max: number): number {
  if (text === "") throw refuse(reading, term, "a value is missing", `write values from ${min} to ${max}`);
  if (!DIGITS.test(text))
    throw refuse(reading, term, `"${clip(text)}" is not a value of this field`, mendValue(reading, text, min, max));
  const value = Number(text);
  if (value < min || value > max)
    throw refuse(reading, term, `${clip(text)} is out of range`, `write values from ${min} to ${max}`);
  return value;
}

function mendValue({ spec }: Reading, text: string, min: number, max: number): string {
  const range = `write values from ${min} to ${max}`;
  if (!/^[A-Za-z]+$/.test(text)) return range;
  const short = text.slice(0, 3).toLowerCase();
  if (spec.names.includes(short)) return `write "${short.toUpperCase()}"`;
  const owner = [MONTH, WEEKDAY].find((other) => other.names.includes(short));
  if (owner !== undefined && owner !== spec) return `${short.toUpperCase()} belongs to ${owner.name}; ${range}`;
  return spec.names.length === 0 ? range : `${range} or ${spec.names.join(" ").toUpperCase()}`;
}

function compile(parsed: readonly [Field, Field, Field, Field, Field, Field], texts: readonly string[]): CronFields {
  const [second, minute, hour, monthDay, month, weekday] = parsed;
  const [secondText = "", minuteText = "", hourText = "", monthDayText = "", , weekdayText = ""] = texts;
  const dayRule = /^[*?]/.test(monthDayText) || /^[*?]/.test(weekdayText) ? "both" : "either";
  const monthDays = monthDay.low | (monthDay.high << 30);
  const everyMonthDay = monthDays === 2 ** 31 - 1;
  const everyWeekday = weekday.low === 2 ** 7 - 1;
  const everyDate = dayRule === "both" ? everyMonthDay && everyWeekday : everyMonthDay || everyWeekday;
  return Object.freeze({
    secondsLow: second.low,
    secondsHigh: second.high,
    minutesLow: minute.low,
    minutesHigh: minute.high,
    hours: hour.low,
    monthDays,
    months: month.low,
    weekdays: weekday.low,
    lastDays: monthDay.lastDays,
    lastWorkday: monthDay.lastWorkday,
    nearestWorkdays: monthDay.nearestWorkdays,
    lastWeekdays: weekday.lastWeekdays,
    nthWeekdays: weekday.nthWeekdays === undefined ? NO_NTH : Object.freeze(weekday.nthWeekdays),
    dayRule,
    everyDay: everyDate && month.low === 2 ** 12 - 1,
    wild: secondText.includes("*") || minuteText.includes("*") || hourText.includes("*"),
  });
}

function neverComes(expression: string, texts: readonly string[]): InvalidCronError {
  const [, , , monthDay = "", month = "", weekday = ""] = texts;
  const name = /^[*?]$/.test(monthDay) ? WEEKDAY.name : MONTH_DAY.name;
  const date = `${clip(monthDay)} ${clip(month)} ${clip(weekday)}`;
  const mend = "choose a day which one of the months has";
  return refusal(name, date, expression, "no such date ever comes", mend);
}

function refuse({ spec, expression }: Reading, text: string, why: string, mend: string): InvalidCronError {
  return refusal(spec.name, text, expression, why, mend);
}

function refusal(field: string, text: string, expression: string, why: string, mend: string): InvalidCronError {
  const details = { expression: clip(expression, EXPRESSION_LENGTH_MAX), text: clip(text) };
  const sentence = `${mend.charAt(0).toUpperCase()}${mend.slice(1)}.`;
  return new InvalidCronError(`cron ${field} "${clip(text)}": ${why}`, { field, mend: sentence, details });
}

/** Text fit for a message: short, and with nothing invisible or outside ASCII in it. */
function clip(text = "", length = 40): string {
  const cut = text.length > length ? `${text.slice(0, length - 3)}...` : text;
  return cut.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
