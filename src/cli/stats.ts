// `punctual stats`: counts by state.
import type { Command } from "commander";
import { type GlobalOptions, present } from "./options.ts";
import { print } from "./output.ts";
import { withScheduler } from "./session.ts";
import { fields } from "./table.ts";

interface Options extends GlobalOptions {
  readonly queue?: string;
}

export function addStats(program: Command): void {
  program
    .command("stats")
    .description("count jobs by state")
    .option("--queue <NAME>", "of one queue")
    .action((_: unknown, command: Command) => stats(command.optsWithGlobals<Options>()));
}

async function stats(options: Options): Promise<void> {
  const { tenant, queue } = options;
  const counts = await withScheduler(options, (scheduler) => scheduler.stats(present({ tenant, queue })));
  print(options, counts, () => {
    const ended = (state: "completed" | "failed" | "cancelled") =>
      `${counts[state]} kept, ${counts.totals[state]} since the beginning`;
    return fields([
      ["waiting", counts.waiting],
      ["delayed", counts.delayed],
      ["active", counts.active],
      ["completed", ended("completed")],
      ["failed", ended("failed")],
      ["cancelled", ended("cancelled")],
      ["paused", counts.paused ? "everything" : counts.pausedQueues.join(", ") || "nothing"],
    ]);
  });
}
