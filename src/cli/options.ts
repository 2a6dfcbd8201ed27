// What options and arguments mean: texts in, checked values out. Errors name the option as it is typed.

import { text } from "node:stream/consumers";
import { shown } from "../core/duration.ts";
import { type Duration, InvalidInputError, type Priority, type Role, type ShownState } from "../index.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  readonly engine?: string;
  readonly json?: boolean;
  readonly tenant?: string;
}

/** Options of every listing. */
export interface PageOptions {
  readonly limit?: string;
  readonly cursor?: string;
}

const roles: readonly Role[] = ["worker", "ticker", "janitor"];

const states: readonly ShownState[] = ["waiting", "delayed", "active", "completed", "failed", "cancelled"];

/** The members that are set: an option that was not given must not be there at all. */
export function present<T extends object>(options: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const set = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}

/** A whole number; its bounds are for whoever takes it. */
function wholeNumber(text: string, option: string): number {
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidInputError(`${option} must be a whole number, got ${shown(text)}`, { field: option });
}

/** A whole number, when the option was given. */
export function optionalWholeNumber(text: string | undefined, option: string): number | undefined {
  return text === undefined ? undefined : wholeNumber(text, option);
}

/** Names divided by commas. */
export function names(text: string, option: string): readonly string[] {
  const list = text.split(",").map((name) => name.trim());
  if (list.every((name) => name !== "")) return list;
  throw new InvalidInputError(`${option} must be names divided by commas, got ${shown(text)}`, { field: option });
}

/** So many in so long: "10/1m". */
export function rate(text: string, option: string): { readonly count: number; readonly per: string } {
  const [, count, per] = /^(\d{1,15})\/(.+)$/.exec(text) ?? [];
  if (count !== undefined && per !== undefined) {
    refuseBare(per, option, (unit) => `${count}/${per}${unit}`);
    return { count: Number(count), per };
  }
  throw new InvalidInputError(`${option} must be so many in so long, such as 10/1m, got ${shown(text)}`, {
    field: option,
  });
}

/** A priority: a name or a number; which there are is for whoever takes it. */
export function priorityOf(text: string): Priority {
  return (/^[+-]?\d+$/.test(text) ? Number(text) : text) as Priority;
}

/** A duration: a text, or a plain number of milliseconds. */
export function duration(text: string): Duration {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** A duration that limits something. @throws InvalidInputError for a plain number: nobody means milliseconds there */
export function durationWithUnit(text: string, option: string): string {
  refuseBare(text, option, (unit) => `${text}${unit}`);
  return text;
}

function refuseBare(text: string, option: string, write: (unit: string) => string): void {
  if (!/^\d+(?:\.\d+)?$/.test(text)) return;
  throw new InvalidInputError(`${option} must name a unit, got ${shown(text)}`, {
    field: option,
    mend: `Write ${["s", "m", "h"].map(write).join(", ")} or ${write("d")}.`,
  });
}

/** JSON text. */
export function json(text: string, option: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError(`${option} is not JSON: ${why}`, {
      field: option,
      mend: `Write JSON and quote it for the shell: '{"account":"a1"}'. A text is JSON only with its double quotes.`,
      cause: error,
    });
  }
}

/** JSON text; - is read from standard input. */
export async function readJson(given: string, option: string): Promise<unknown> {
  return given === "-" ? json(await text(process.stdin), "standard input") : json(given, option);
}

export function checkRoles(values: readonly string[], field: string): readonly Role[] {
  return values.map((value) => oneOf(value, roles, field));
}

export function checkStates(values: readonly string[], field: string): readonly ShownState[] {
  return values.map((value) => oneOf(value, states, field));
}

function oneOf<V extends string>(value: unknown, known: readonly V[], field: string): V {
  const found = known.find((name) => name === value);
  if (found !== undefined) return found;
  throw new InvalidInputError(`${field} must be of ${known.join(", ")}, got ${shown(value)}`, { field });
}
