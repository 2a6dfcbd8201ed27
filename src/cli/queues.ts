// `punctual queues`: list, pause, resume.

import type { Command } from "commander";
import { formatDuration, InvalidInputError, type QueueView } from "../index.ts";
import type { GlobalOptions } from "./options.ts";
import { print } from "./output.ts";
import { actor, withScheduler } from "./session.ts";
import { type Column, table } from "./table.ts";

interface SwitchOptions extends GlobalOptions {
  readonly all?: boolean;
}

export function addQueues(program: Command): void {
  const queues = program.command("queues").description("look at queues, pause and resume them").helpCommand(false);
  queues
    .command("list")
    .description("list queues that have jobs or settings")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<GlobalOptions>()));
  for (const [name, description] of [
    ["pause", "start nothing more from a queue, on every replica"],
    ["resume", "let a queue's jobs start again"],
  ] as const) {
    queues
      .command(name)
      .description(description)
      .argument("[QUEUE]", "the queue's name")
      .option("--all", `${name} everything at once; a queue paused by name stays so`)
      .action((queue: string | undefined, _: unknown, command: Command) =>
        change(name, queue, command.optsWithGlobals<SwitchOptions>()),
      );
  }
}

async function list(options: GlobalOptions): Promise<void> {
  refuseTenant(options);
  const { queues, all } = await withScheduler(options, async (scheduler) => ({
    queues: await scheduler.queues.list(),
    all: (await scheduler.stats()).paused,
  }));
  print(options, queues, (width) => {
    const rows = queues.length === 0 ? "no queues" : table(queues, queueColumns, width);
    return all ? `${rows}\neverything is paused: punctual queues resume --all` : rows;
  });
}

async function change(action: "pause" | "resume", queue: string | undefined, options: SwitchOptions): Promise<void> {
  refuseTenant(options);
  if ((queue === undefined) !== (options.all === true)) {
    throw new InvalidInputError("QUEUE or --all must be given, and not both", { field: "QUEUE" });
  }
  await withScheduler(options, async (scheduler) => {
    if (queue !== undefined) await scheduler.queues[action](queue, { actor });
    else await scheduler[action]({ actor });
  });
  const outcome = action === "pause" ? "paused" : "resumed";
  const about = queue === undefined ? { all: true } : { queue };
  print(options, { ...about, outcome }, () => `${outcome} ${queue ?? "everything"}`);
}

/** @throws InvalidInputError: queues belong to the whole deployment. */
function refuseTenant({ tenant }: GlobalOptions): void {
  if (tenant === undefined) return;
  throw new InvalidInputError("--tenant does not apply: queues belong to the whole deployment", { field: "--tenant" });
}

const queueColumns: readonly Column<QueueView>[] = [
  { title: "QUEUE", cell: ({ name }) => name, whole: true },
  { title: "STATE", cell: ({ paused }) => (paused ? "paused" : "running"), whole: true },
  { title: "WAITING", cell: ({ waiting }) => waiting },
  { title: "DELAYED", cell: ({ delayed }) => delayed },
  { title: "ACTIVE", cell: ({ active }) => active },
  { title: "COMPLETED", cell: ({ completed }) => completed },
  { title: "FAILED", cell: ({ failed }) => failed },
  { title: "CANCELLED", cell: ({ cancelled }) => cancelled },
  { title: "AT ONCE", cell: ({ concurrency }) => concurrency, optional: true },
  { title: "RATE", cell: ({ rate }) => rate && `${rate.count} per ${formatDuration(rate.periodMs)}`, optional: true },
];
