// `punctual explain`: why a job or a schedule will, or did not, run when it did.
import type { Command } from "commander";
import { type Explanation, hasCode, InvalidInputError, type Scheduler } from "../index.ts";
import { type GlobalOptions, present } from "./options.ts";
import { print } from "./output.ts";
import { withScheduler } from "./session.ts";
import { plain } from "./table.ts";

export function addExplain(program: Command): void {
  program
    .command("explain")
    .description("say why a job or a schedule will run, or did not, when it did")
    .argument("<ID>", "a job's or a schedule's id; job:ID or schedule:ID where one is both")
    .action((id: string, _: unknown, command: Command) => explain(id, command.optsWithGlobals<GlobalOptions>()));
}

async function explain(given: string, options: GlobalOptions): Promise<void> {
  const explanation = await withScheduler(options, (scheduler) => find(scheduler, given, options));
  print(options, explanation, () => explanation.sentences.map(plain).join("\n"));
}

async function find(scheduler: Scheduler, given: string, { tenant }: GlobalOptions): Promise<Explanation> {
  const [, kind, named] = /^(job|schedule):(.+)$/s.exec(given) ?? [];
  const of = present({ tenant });
  if (kind === "job" && named !== undefined) return scheduler.explain({ job: named, ...of });
  if (kind === "schedule" && named !== undefined) return scheduler.explain({ schedule: named, ...of });
  const isJobId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(given);
  if (!isJobId) return scheduler.explain({ schedule: given, ...of });
  const schedule = await orNothing(scheduler.explain({ schedule: given, ...of }));
  if (schedule === undefined) return scheduler.explain({ job: given, ...of });
  if ((await orNothing(scheduler.explain({ job: given, ...of }))) === undefined) return schedule;
  throw new InvalidInputError(`ID must say which: ${given} is a job and a schedule`, {
    field: "ID",
    mend: `Write job:${given} or schedule:${given}.`,
  });
}

async function orNothing(explanation: Promise<Explanation>): Promise<Explanation | undefined> {
  try {
    return await explanation;
  } catch (error) {
    if (hasCode(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}
