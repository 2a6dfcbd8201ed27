// How a command fails: one line with the message, one with the mend, and the exit code of the error catalogue.

import { type Command, CommanderError } from "commander";
import { redactUrl } from "../connect.ts";
import { type ErrorCode, errorCatalogue, isPunctualError } from "../index.ts";
import { plain } from "./table.ts";

/** What is told of a failure. */
export interface Failure {
  /** A code of the catalogue, or INTERNAL for what nobody foresaw. */
  readonly code: ErrorCode | "INTERNAL";
  readonly message: string;
  /** The option or argument at fault, as it is typed. */
  readonly field?: string;
  readonly mend: string;
  readonly exitCode: number;
}

/** EX_SOFTWARE of sysexits.h. */
const internalExitCode = 70;

/** What options and arguments are called where the API has another name for them. */
const typedNames: Readonly<Record<string, string>> = {
  input: "INPUT_JSON",
  expression: "EXPR",
  timezone: "tz",
  timeZone: "tz",
};

/** @param command the one that ran, whose options give fields the names that users know. */
export function failureOf(error: unknown, command: Command | undefined): Failure {
  if (error instanceof CommanderError) return usageFailure(error, command);
  if (isPunctualError(error)) {
    const { code, mend } = error;
    const { message, field } = typed(error.message, error.field, command);
    const { exitCode } = errorCatalogue[code];
    return { code, message: plain(message), ...(field === undefined ? {} : { field }), mend, exitCode };
  }
  return {
    code: "INTERNAL",
    message: plain(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
    mend: "Run it again with DEBUG=punctual to see where this comes from, and report it if it is not your own code.",
    exitCode: internalExitCode,
  };
}

/** Tells of a failure on stderr; a stack trace only with DEBUG=punctual. */
export function printFailure(failure: Failure, error: unknown, asJson: boolean): void {
  const { exitCode: _, ...told } = failure;
  if (asJson) console.error(JSON.stringify({ error: told }));
  else console.error(`punctual: ${failure.message}\n${sentence(failure.mend)}`);
  // A refusal by commander repeats arguments, which may hold a password, and its stack says nothing.
  const wanted = /(?:^|[\s,])punctual(?:$|[\s,])/.test(process.env["DEBUG"] ?? "");
  if (wanted && !(error instanceof CommanderError)) console.error(error);
}

/** Commander's refusals, as errors of the catalogue. */
function usageFailure(error: CommanderError, command: Command | undefined): Failure {
  const path = command === undefined ? "punctual" : pathOf(command);
  if (error.code === "commander.help") {
    const { exitCode } = errorCatalogue.INVALID_INPUT;
    return { code: "INVALID_INPUT", message: `${path} needs a command`, mend: `See ${path} --help.`, exitCode };
  }
  const tooMany = error.code === "commander.excessArguments";
  const refusal = error.message.replace(/^error: /, "").replace(/\n\(?(.*?)\)?$/, " ($1)");
  // `--engin=postgres://user:secret@host` is an unknown option too: no value is repeated, and no secret.
  const message = tooMany
    ? refusal.replace(/: .*$/s, "")
    : refusal.replace(/'(-[^'=]*)=[^']*'/, "'$1'").replace(/(?<=')[^']*(?=')/, redactUrl);
  const named = tooMany ? undefined : /'([^' ]+)[^']*'/.exec(message)?.[1];
  return {
    code: "INVALID_INPUT",
    message: plain(message),
    ...(named === undefined ? {} : { field: named }),
    mend: tooMany
      ? `Quote what contains spaces or *, such as '0 9 * * 1-5'; see ${path} --help.`
      : `See ${path} --help.`,
    exitCode: errorCatalogue.INVALID_INPUT.exitCode,
  };
}

/** A field of the API by the name of the option or argument that it came from. */
function typed(message: string, field: string | undefined, command: Command | undefined) {
  if (field === undefined || command === undefined) return { message, field };
  const [, head = "", rest = ""] = /^([A-Za-z]+)(.*)$/s.exec(field) ?? [];
  const name = typedNames[head] ?? head;
  const kebab = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const option = optionsOf(command).find(({ long }) => long === kebab);
  const argument = command.registeredArguments.find((each) => each.name() === name.toUpperCase());
  const to = option?.long ?? argument?.name();
  if (to === undefined || to === null) return { message, field };
  const start = message.startsWith(head) ? to + message.slice(head.length) : message;
  return { message: start, field: to + rest };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function optionsOf(command: Command): Command["options"] {
  return [...command.options, ...(command.parent === null ? [] : optionsOf(command.parent))];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
