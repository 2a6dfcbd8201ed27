// `punctual jobs`: list, show, cancel, retry, purge.

import type { Command } from "commander";
import {
  type FinishedState,
  type JobQuery,
  type JobView,
  NotFoundError,
  type Page,
  StateConflictError,
} from "../index.ts";
import { checkStates, type GlobalOptions, names, optionalWholeNumber, type PageOptions, present } from "./options.ts";
import { print } from "./output.ts";
import { actor, withScheduler } from "./session.ts";
import { type Column, fields, plain, table } from "./table.ts";
import { instant, optionalInstant, optionalPastInstant, pastInstant, rfc3339 } from "./time.ts";

interface ListOptions extends GlobalOptions, PageOptions {
  readonly state?: string;
  readonly queue?: string;
  readonly task?: string;
  readonly schedule?: string;
  readonly keyPrefix?: string;
  readonly sort?: string;
  readonly createdSince?: string;
  readonly finishedSince?: string;
}

interface PurgeOptions extends GlobalOptions {
  readonly before: string;
  readonly state?: string;
  readonly queue?: string;
  readonly yes?: boolean;
}

export function addJobs(program: Command): void {
  const jobs = program.command("jobs").description("look at jobs, cancel them, run them again").helpCommand(false);
  jobs
    .command("list")
    .description("list jobs, newest first")
    .option("--sort <ORDER>", "newest (default), oldest, or finished: the one that ended last first")
    .option("--state <STATES>", "waiting, delayed, active, completed, failed, cancelled; several divided by commas")
    .option("--queue <NAME>", "of one queue")
    .option("--task <NAME>", "of one task")
    .option("--schedule <ID>", "made by one schedule")
    .option("--key-prefix <PREFIX>", "whose key begins so")
    .option("--created-since <WHEN>", "created from this instant on, or from so long ago: 1h")
    .option("--finished-since <WHEN>", "ended from this instant on, or from so long ago")
    .option("--limit <COUNT>", "1 to 1000; 50 by default")
    .option("--cursor <CURSOR>", "the page after the one that gave this cursor")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
  for (const [name, description, act] of [
    ["show", "show a job with its attempts and log", show],
    ["cancel", "cancel a job; a running one is asked to stop", cancel],
    ["retry", "run a failed or cancelled job again, a waiting one now", retry],
  ] as const) {
    jobs
      .command(name)
      .description(description)
      .argument("<ID>", "the job's id")
      .action((id: string, _: unknown, command: Command) => act(id, command.optsWithGlobals<GlobalOptions>()));
  }
  jobs
    .command("purge")
    .description("delete finished jobs; without --yes it only says how many")
    .requiredOption("--before <WHEN>", "those that ended before this instant, or longer ago than this: 7d")
    .option("--state <STATES>", "completed, failed, cancelled; several divided by commas; all by default")
    .option("--queue <NAME>", "of one queue")
    .option("--yes", "delete them")
    .action((_: unknown, command: Command) => purge(command.optsWithGlobals<PurgeOptions>()));
}

async function list(options: ListOptions): Promise<void> {
  const { tenant, queue, task, schedule, keyPrefix, cursor } = options;
  const query = present({
    tenant,
    queue,
    task,
    schedule,
    keyPrefix,
    cursor,
    sort: options.sort as JobQuery["sort"],
    createdFrom: optionalPastInstant(options.createdSince, "--created-since"),
    finishedFrom: optionalPastInstant(options.finishedSince, "--finished-since"),
    state: options.state === undefined ? undefined : checkStates(names(options.state, "--state"), "--state"),
    limit: optionalWholeNumber(options.limit, "--limit"),
  });
  const page = await withScheduler(options, (scheduler) => scheduler.jobs.list(query));
  print(options, page, (width) => listing(page, jobColumns(), "no jobs", width));
}

/** A page as a table, with what is needed to see the next one. */
export function listing<Row>(
  page: Page<Row>,
  columns: readonly Column<Row>[],
  nothing: string,
  width: number | undefined,
): string {
  if (page.items.length === 0) return nothing;
  const rows = table(page.items, columns, width);
  return page.next === undefined ? rows : `${rows}\nmore: --cursor '${page.next}'`;
}

/** A tenant is shown only where there is one to tell apart. */
export function tenantCell({ tenant }: { readonly tenant: string }): string | undefined {
  return tenant === "default" ? undefined : tenant;
}

function jobColumns(): readonly Column<JobView>[] {
  const now = Date.now();
  return [
    { title: "ID", cell: (job) => job.id, whole: true },
    { title: "STATE", cell: (job) => (job.cancelRequested === true ? "cancelling" : job.state), whole: true },
    { title: "TASK", cell: (job) => job.task },
    { title: "DUE", cell: (job) => instant(job.dueAt, now) },
    { title: "QUEUE", cell: (job) => job.queue },
    { title: "ATTEMPT", cell: (job) => job.attempt },
    { title: "TENANT", cell: tenantCell, optional: true },
    { title: "SCHEDULE", cell: (job) => job.schedule?.id, optional: true },
    { title: "KEY", cell: (job) => job.key, optional: true },
    { title: "REASON", cell: (job) => job.reason, optional: true },
  ];
}

async function show(id: string, options: GlobalOptions): Promise<void> {
  const job = await withScheduler(options, (scheduler) => scheduler.jobs.get(id, present({ tenant: options.tenant })));
  if (job === undefined) throw unknownJob(id);
  print(options, job, (width) => describe(job, width));
}

async function cancel(id: string, options: GlobalOptions): Promise<void> {
  const outcome = await withScheduler(options, (scheduler) =>
    scheduler.jobs.cancel(id, present({ tenant: options.tenant, actor })),
  );
  if (outcome === "unknown") throw unknownJob(id);
  if (outcome === "finished") {
    throw new StateConflictError(`job ${id} has ended: there is nothing to cancel`, {
      field: "id",
      mend: `See punctual jobs show ${id}.`,
    });
  }
  print(options, { id, outcome }, () => `${outcome} ${id}`);
}

async function retry(id: string, options: GlobalOptions): Promise<void> {
  const of = present({ tenant: options.tenant });
  const job = await withScheduler(options, async (scheduler) => {
    await scheduler.jobs.retry(id, { ...of, actor });
    return await scheduler.jobs.get(id, of);
  });
  if (job === undefined) throw unknownJob(id);
  print(options, job, () => `${job.state} ${id}, due ${instant(job.dueAt)}`);
}

async function purge(options: PurgeOptions): Promise<void> {
  const { tenant, queue } = options;
  const before = pastInstant(options.before, "--before");
  const state = options.state === undefined ? undefined : (names(options.state, "--state") as readonly FinishedState[]);
  const dryRun = options.yes !== true;
  const wish = { before, ...present({ tenant, queue, state }), dryRun, actor };
  const jobs = await withScheduler(options, (scheduler) => scheduler.jobs.purge(wish));
  const { actor: _, ...told } = wish;
  print(options, { ...told, jobs }, () => {
    const what = [
      `${jobs} ${state === undefined ? "finished" : state.join(", ")} ${jobs === 1 ? "job" : "jobs"}`,
      ...(tenant === undefined ? ["of every tenant"] : [`of tenant ${tenant}`]),
      ...(queue === undefined ? [] : [`in queue ${queue}`]),
      `that ended before ${instant(before)}`,
    ].join(" ");
    return dryRun ? `would delete ${what}; add --yes to delete` : `deleted ${what}`;
  });
}

function unknownJob(id: string): NotFoundError {
  return new NotFoundError(`there is no job ${id}`, { field: "id" });
}

function describe(job: JobView, width: number | undefined): string {
  const now = Date.now();
  const { schedule } = job;
  const sections = [
    fields([
      ["id", job.id],
      ["tenant", job.tenant],
      ["queue", job.queue],
      ["task", job.task],
      ["state", job.cancelRequested === true ? `${job.state}, asked to cancel` : job.state],
      ["reason", job.reason],
      ["priority", job.priority],
      ["due", instant(job.dueAt, now)],
      ["created", instant(job.createdAt, now)],
      ["finished", optionalInstant(job.finishedAt, now)],
      ["attempt", job.attempt],
      ["failures", job.failures],
      ["key", job.successor === true ? `${job.key}, after the running job of the key` : job.key],
      ["schedule", schedule === undefined ? undefined : `${schedule.id}, tick ${rfc3339(schedule.tick)}`],
      ["worker", job.worker],
      ["lease until", optionalInstant(job.leaseUntil, now)],
      ["progress", job.progress === undefined ? undefined : `${Math.round(job.progress * 100)} %`],
      ["input", JSON.stringify(job.input)],
      ["output", job.output === undefined ? undefined : JSON.stringify(job.output)],
      ["metadata", job.metadata === undefined ? undefined : JSON.stringify(job.metadata)],
    ]),
  ];
  if (job.attempts.length > 0) {
    const attempts = table(
      job.attempts,
      [
        { title: "ATTEMPT", cell: (attempt) => attempt.attempt },
        { title: "OUTCOME", cell: (attempt) => attempt.outcome, whole: true },
        { title: "STARTED", cell: (attempt) => rfc3339(attempt.startedAt), whole: true },
        { title: "ENDED", cell: (attempt) => attempt.endedAt && rfc3339(attempt.endedAt) },
        { title: "WORKER", cell: (attempt) => attempt.worker },
        { title: "ERROR", cell: ({ error }) => error && `${error.name}: ${error.message}`, optional: true },
      ],
      width,
    );
    sections.push(attempts);
  }
  if (job.log.length > 0) sections.push(job.log.map((line) => `${rfc3339(line.at)}  ${plain(line.text)}`).join("\n"));
  return sections.join("\n\n");
}
