// The options that define a schedule, and what they mean. Of an update, only those that are given.
import type { Command } from "commander";
import { cron, every, InvalidInputError, type OverlapPolicy, once, type Rule, type ScheduleOptions } from "../index.ts";
import { duration, json, optionalWholeNumber, present, priorityOf, readJson } from "./options.ts";
import { renamed } from "./session.ts";

/** When it ticks. */
export interface TimingOptions {
  readonly cron?: string;
  readonly tz?: string;
  readonly onGap?: string;
  readonly onOverlap?: string;
  readonly every?: string;
  readonly anchor?: string;
  readonly at?: string;
  readonly when?: string;
  readonly jitter?: string;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly maxTicks?: string;
}

/** All of a definition. */
export interface DefinitionOptions extends TimingOptions {
  readonly task?: string;
  readonly input?: string;
  readonly queue?: string;
  readonly priority?: string;
  readonly attempts?: string;
  readonly overlap?: string;
  readonly catchUp?: string;
  readonly catchUpWindow?: string;
  readonly catchUpLimit?: string;
  readonly pauseOnFailure?: string;
  readonly name?: string;
  readonly metadata?: string;
}

export function addTiming(command: Command): Command {
  return command
    .option("--cron <EXPR>", "at each match of a cron expression, in quotes: '0 9 * * 1-5'")
    .option("--tz <ZONE>", "IANA time zone of --cron; UTC by default")
    .option("--on-gap <POLICY>", "with --cron, a time that a clock change skips: run-after (default), skip")
    .option("--on-overlap <POLICY>", "with --cron, a time that a clock change repeats: first (default), both, last")
    .option("--every <DURATION>", "each time so much has gone by: 90s, 1h")
    .option("--anchor <INSTANT>", "with --every, counted from this instant instead of from when it is set")
    .option("--at <INSTANT>", "once, at an instant with a zone: 2026-11-21T09:00:00Z; the past is now")
    .option("--when <JSON>", "any rule as --json shows it: unions, exclusions, calendar units")
    .option("--jitter <DURATION>", "one steady offset below this")
    .option("--start-at <INSTANT>", "no tick before it")
    .option("--end-at <INSTANT>", "no tick after it")
    .option("--max-ticks <COUNT>", "so many ticks at most");
}

export function addDefinition(command: Command): Command {
  return addTiming(command.option("--task <NAME>", "the task that each tick makes a job of"))
    .option("--input <JSON>", "the jobs' input, - to read it from standard input; null by default")
    .option("--queue <NAME>", "the queue (default: the task's when --tasks or the config knows it, else default)")
    .option("--priority <PRIORITY>", "critical, high, normal, low or 1 to 10")
    .option("--attempts <COUNT>", "attempts in all, instead of the task's")
    .option("--overlap <POLICY>", "while a job of it is unfinished: skip (default), allow, queue, replace")
    .option("--catch-up <POLICY>", "ticks noticed late: latest (default), skip, all")
    .option("--catch-up-window <DURATION>", "with --catch-up, none that is older")
    .option("--catch-up-limit <COUNT>", "with --catch-up, so many at most")
    .option("--pause-on-failure <COUNT>", "disabled after so many failed jobs in a row")
    .option("--name <TEXT>", "a label; may repeat")
    .option("--metadata <JSON>", "JSON kept with the schedule")
    .option("--tasks <FILE>", "a module of handlers: its task checks the input and names the queue");
}

/**
 * The rule that was given, if one was.
 * @throws InvalidInputError for several, or for options that go with another
 */
function ruleOf(options: TimingOptions): Rule | undefined {
  const given = (["cron", "every", "at", "when"] as const).filter((name) => options[name] !== undefined);
  const [kind, ...others] = given;
  if (others.length > 0) {
    throw new InvalidInputError(`${given.map(flag).join(" and ")} exclude each other: give one`, {
      field: flag(others[0] ?? ""),
    });
  }
  for (const [name, of] of companions) {
    if (options[name] === undefined || kind === of) continue;
    throw new InvalidInputError(`${flag(name)} goes with ${flag(of)}`, { field: flag(name) });
  }
  if (options.cron !== undefined) {
    const { tz: timezone, onGap, onOverlap } = options;
    return cron(options.cron, present({ timezone, onGap, onOverlap }) as Parameters<typeof cron>[1]);
  }
  if (options.every !== undefined) {
    try {
      return every(duration(options.every), present({ anchor: options.anchor }));
    } catch (error) {
      throw renamed(error, ["interval"], "--every");
    }
  }
  if (options.at !== undefined) return once(options.at);
  return options.when === undefined ? undefined : (json(options.when, "--when") as Rule);
}

const companions = [
  ["tz", "cron"],
  ["onGap", "cron"],
  ["onOverlap", "cron"],
  ["anchor", "every"],
] as const;

/** An option's name as it is typed. */
export function flag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What was given of when it ticks; `none` takes a bound away. */
export function timingOf(options: TimingOptions): Partial<ScheduleOptions> {
  const { jitter, startAt, endAt, maxTicks } = options;
  const when = ruleOf(options);
  return {
    ...(when === undefined ? {} : { when }),
    ...(jitter === undefined ? {} : { jitter: duration(jitter) }),
    ...unlessNone("startAt", startAt, (text) => text),
    ...unlessNone("endAt", endAt, (text) => text),
    ...unlessNone("maxTicks", maxTicks, (text) => optionalWholeNumber(text, "--max-ticks")),
  };
}

/** What was given of a definition; `none` takes what is optional away, as does an empty name. */
export async function definitionOf(options: DefinitionOptions): Promise<Partial<ScheduleOptions>> {
  const { task, input, queue, priority, attempts, overlap, pauseOnFailure, name, metadata } = options;
  return {
    ...present({
      task,
      queue,
      priority: priority === undefined ? undefined : priorityOf(priority),
      overlap: overlap as OverlapPolicy | undefined,
      catchUp: catchUpOf(options),
    }),
    ...timingOf(options),
    ...(input === undefined ? {} : { input: await readJson(input, "--input") }),
    ...unlessNone("attempts", attempts, (text) => optionalWholeNumber(text, "--attempts")),
    ...unlessNone("pauseOnFailure", pauseOnFailure, (text) => optionalWholeNumber(text, "--pause-on-failure")),
    ...(name === undefined ? {} : { name: name === "" ? undefined : name }),
    ...unlessNone("metadata", metadata, (text) => json(text, "--metadata")),
  } as Partial<ScheduleOptions>;
}

function catchUpOf({ catchUp, catchUpWindow, catchUpLimit }: DefinitionOptions): ScheduleOptions["catchUp"] {
  if (catchUp === undefined) {
    if (catchUpWindow === undefined && catchUpLimit === undefined) return undefined;
    const field = catchUpWindow === undefined ? "--catch-up-limit" : "--catch-up-window";
    throw new InvalidInputError(`${field} goes with --catch-up`, { field });
  }
  const window = catchUpWindow === undefined ? undefined : duration(catchUpWindow);
  const limit = optionalWholeNumber(catchUpLimit, "--catch-up-limit");
  return { policy: catchUp, ...present({ window, limit }) } as ScheduleOptions["catchUp"];
}

/** A member that is there when its option was given, and undefined when that said "none". */
function unlessNone<T>(name: string, text: string | undefined, read: (text: string) => T): { [name: string]: unknown } {
  return text === undefined ? {} : { [name]: text === "none" ? undefined : read(text) };
}
