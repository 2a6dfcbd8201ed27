// One run of the command line: parses it, runs a command, answers the exit code.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addCopy } from "./copy.ts";
import { addDoctor } from "./doctor.ts";
import { addEnqueue } from "./enqueue.ts";
import { addEvents } from "./events.ts";
import { UnwellExit } from "./exit.ts";
import { addExplain } from "./explain.ts";
import { failureOf, printFailure } from "./failure.ts";
import { addJobs } from "./jobs.ts";
import { addMigrate } from "./migrate.ts";
import { addNext } from "./next.ts";
import { addQueues } from "./queues.ts";
import { addSchedules } from "./schedules.ts";
import { addServe } from "./serve.ts";
import { addStats } from "./stats.ts";
import { addTenants } from "./tenants.ts";

/** In the order of the help. */
const commands: readonly ((program: Command) => void)[] = [
  addServe,
  addEnqueue,
  addJobs,
  addSchedules,
  addEvents,
  addNext,
  addStats,
  addQueues,
  addTenants,
  addExplain,
  addDoctor,
  addMigrate,
  addCopy,
];

/** Runs one command line (without the program's name) and answers the process's exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const asJson = asksForJson(args);
  const program = createProgram(asJson);
  let running: Command | undefined;
  program.hook("preAction", (_, command) => {
    running = command;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof UnwellExit) return error.exitCode;
    const failure = failureOf(error, running ?? commandOf(program, args));
    // A command without its subcommand has printed its help, which says all.
    const helped = error instanceof CommanderError && error.code === "commander.help";
    if (!helped || asJson) printFailure(failure, error, asJson);
    return failure.exitCode;
  }
}

function createProgram(asJson: boolean): Command {
  const program = new Command("punctual")
    .description("A durable job scheduler: serve jobs and schedules, look into a store, preview ticks.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .option(
      "--engine <URL>",
      "the store: sqlite:PATH, postgres://USER@HOST/DATABASE, redis://HOST, nats://HOST, memory: (default: punctual.config, PUNCTUAL_URL, DATABASE_URL, NATS_URL, REDIS_URL, sqlite:./punctual.db)",
    )
    .option("--tenant <ID>", "the tenant that the command is about")
    .option("--json", "print JSON, for programs")
    .configureHelp({ showGlobalOptions: true })
    // Refusals are printed once, by this file, in the shape of every other error.
    .configureOutput({ outputError: () => {}, ...(asJson ? { writeErr: () => {} } : {}) })
    .exitOverride();
  for (const add of commands) add(program);
  return program;
}

/** The command that arguments name, as far as they do: for errors found before any command ran. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program;
  for (const arg of args) command = command.commands.find((each) => each.name() === arg) ?? command;
  return command;
}

function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end === -1 ? args : args.slice(0, end)).includes("--json");
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  return version;
}
