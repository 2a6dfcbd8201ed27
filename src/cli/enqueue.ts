// `punctual enqueue`: one job, from the shell.

import type { Command } from "commander";
import { createScheduler, InvalidInputError, type OnConflict } from "../index.ts";
import { loadConfig } from "./load.ts";
import { duration, type GlobalOptions, json, optionalWholeNumber, present, priorityOf, readJson } from "./options.ts";
import { note, print } from "./output.ts";
import { chooseEngine, chooseHandlers, closing } from "./session.ts";
import { instant } from "./time.ts";

interface Options extends GlobalOptions {
  readonly tasks?: string;
  readonly delay?: string;
  readonly at?: string;
  readonly queue?: string;
  readonly priority?: string;
  readonly key?: string;
  readonly onConflict?: string;
  readonly attempts?: string;
  readonly idempotencyKey?: string;
  readonly metadata?: string;
}

export function addEnqueue(program: Command): void {
  program
    .command("enqueue")
    .description("enqueue one job")
    .argument("<TASK>", "the task's name")
    .argument("[INPUT_JSON]", "its input as JSON, - to read it from standard input; null by default")
    .option("--delay <DURATION>", "so long from now: 10m, 1h30m")
    .option("--at <INSTANT>", "at an instant with a zone: 2026-11-21T09:00:00Z")
    .option("--queue <NAME>", "the queue (default: the task's when --tasks or the config knows it, else default)")
    .option("--priority <PRIORITY>", "critical, high, normal, low or 1 to 10")
    .option("--key <KEY>", "at most one waiting job per tenant, queue and key")
    .option("--on-conflict <POLICY>", "when the key is taken: ignore (default), replace, error")
    .option("--attempts <COUNT>", "attempts in all, instead of the task's")
    .option("--idempotency-key <KEY>", "the same key and request find the first job for 24 h")
    .option("--metadata <JSON>", "JSON kept with the job")
    .option("--tasks <FILE>", "a module of handlers: its task checks the input and names the queue")
    .action(async (task: string, input: string | undefined, _: unknown, command: Command) => {
      await enqueue(task, input, command.optsWithGlobals<Options>());
    });
}

async function enqueue(task: string, input: string | undefined, options: Options): Promise<void> {
  const { tenant, delay, at, queue, key, idempotencyKey } = options;
  if (delay !== undefined && at !== undefined) {
    throw new InvalidInputError("--delay and --at exclude each other: give one", { field: "--delay" });
  }
  const given = input === undefined ? null : await readJson(input, "INPUT_JSON");
  const request = present({
    tenant,
    delay: delay === undefined ? undefined : duration(delay),
    at,
    queue,
    priority: options.priority === undefined ? undefined : priorityOf(options.priority),
    key,
    onConflict: options.onConflict as OnConflict | undefined,
    attempts: optionalWholeNumber(options.attempts, "--attempts"),
    idempotencyKey,
    metadata: options.metadata === undefined ? undefined : json(options.metadata, "--metadata"),
  });
  const loaded = await loadConfig(process.cwd());
  const { handlers } = await chooseHandlers(options.tasks, loaded);
  const { engine } = await chooseEngine(options, loaded);
  const { guardrails } = loaded?.config ?? {};
  const enqueued = await closing(createScheduler({ engine, handlers, ...present({ guardrails }) }), (scheduler) =>
    scheduler.enqueue(task, given, request),
  );
  if (engine.name === "memory") note(options, "The memory engine forgets everything when this command ends.");
  print(options, enqueued, () => {
    const { id, outcome, dueAt, successor } = enqueued;
    return `${outcome} ${id}, ${successor === true ? "after the running job of its key, " : ""}due ${instant(dueAt)}`;
  });
}
