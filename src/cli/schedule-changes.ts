// `punctual schedules`: create, update, preview, backfill.
import type { Command } from "commander";
import {
  AlreadyExistsError,
  type BackfillResult,
  type BackfillShare,
  createScheduler,
  hasCode,
  InvalidInputError,
  type OverlapPolicy,
  type PreviewTick,
  type ScheduleOptions,
  type Scheduler,
  type ScheduleView,
} from "../index.ts";
import { type AskingOptions, asks, confirm } from "./confirm.ts";
import { loadConfig } from "./load.ts";
import { type GlobalOptions, optionalWholeNumber, present, priorityOf, rate } from "./options.ts";
import { print } from "./output.ts";
import {
  addDefinition,
  addTiming,
  type DefinitionOptions,
  definitionOf,
  flag,
  timingOf,
} from "./schedule-definition.ts";
import { actor, chooseEngine, chooseHandlers, closing, renamed, withScheduler } from "./session.ts";
import { type Column, table } from "./table.ts";
import { instant, optionalInstant, pastInstant, rfc3339 } from "./time.ts";

interface ChangeOptions extends GlobalOptions, DefinitionOptions {
  readonly tasks?: string;
  readonly revision?: string;
}

interface PreviewOptions extends GlobalOptions, DefinitionOptions {
  readonly count?: string;
}

interface BackfillOptions extends AskingOptions {
  readonly from: string;
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly rate?: string;
  readonly overlap?: string;
  readonly priority?: string;
}

/** A backfill of more jobs is asked about. */
const manyJobs = 20;

export function addScheduleChanges(schedules: Command): void {
  const of = (name: string, description: string) =>
    schedules.command(name).description(description).argument("<ID>", "the schedule's id");
  addDefinition(of("create", "create a schedule")).action((id: string, _: unknown, command: Command) =>
    create(id, command.optsWithGlobals<ChangeOptions>()),
  );
  addDefinition(of("update", "change what is given of a schedule; none takes a bound away"))
    .option("--revision <REVISION>", "only if it is still at this revision")
    .action((id: string, _: unknown, command: Command) => update(id, command.optsWithGlobals<ChangeOptions>()));
  addTiming(of("preview", "print the next ticks of a schedule, or of what it would be with other times"))
    .option("--count <COUNT>", "how many; 5 by default")
    .action((id: string, _: unknown, command: Command) => preview(id, command.optsWithGlobals<PreviewOptions>()));
  of("backfill", "make the jobs of ticks that were, through the overlap policy")
    .requiredOption("--from <WHEN>", "from this instant on, or from so long ago: 1d")
    .option("--to <WHEN>", "up to this instant, or so long ago; now by default")
    .option("--dry-run", "only say what would be done")
    .option("--overlap <POLICY>", "for these ticks, instead of the schedule's: allow makes a job of each")
    .option("--rate <RATE>", "due no faster than so many in so long: 10/1m")
    .option("--priority <PRIORITY>", "critical, high, normal, low or 1 to 10")
    .option("--yes", "do not ask on a terminal")
    .action((id: string, _: unknown, command: Command) => backfill(id, command.optsWithGlobals<BackfillOptions>()));
}

async function create(id: string, options: ChangeOptions): Promise<void> {
  const definition = await definitionOf(options);
  const { task, when } = definition;
  if (task === undefined) throw new InvalidInputError("--task must be given", { field: "--task" });
  if (when === undefined) {
    throw new InvalidInputError("one of --cron, --every, --at and --when must be given", { field: "--cron" });
  }
  const { tenant } = options;
  const wish = { input: null, ...definition, task, when, ...present({ tenant }) };
  const schedule = await withTasks(options, ({ schedules }) => schedules.create(id, wish, { actor }));
  print(options, schedule, () => `created ${id}, next tick ${optionalInstant(schedule.nextAt) ?? "never"}`);
}

async function update(id: string, options: ChangeOptions): Promise<void> {
  const changes = await definitionOf(options);
  if (Object.keys(changes).length === 0) {
    throw new InvalidInputError("at least one option of the definition must be given", { field: "--cron" });
  }
  const { tenant } = options;
  const revision = optionalWholeNumber(options.revision, "--revision");
  const { before, schedule } = await withTasks(options, async ({ schedules }) => ({
    before: await schedules.get(id, present({ tenant })),
    schedule: await schedules.update(id, { ...changes, ...present({ tenant }) }, { actor, ...present({ revision }) }),
  }));
  const next = schedule.enabled ? (optionalInstant(schedule.nextAt) ?? "never") : "none while it is disabled";
  const done =
    schedule.revision === before?.revision
      ? `nothing new: ${id} stays at revision ${schedule.revision}`
      : `updated ${id} to revision ${schedule.revision}`;
  print(options, schedule, () => `${done}, next tick ${next}`);
}

/** Uses the store with the tasks that are known: they check inputs and name queues. */
async function withTasks<T>(options: ChangeOptions, use: (scheduler: Scheduler) => Promise<T>): Promise<T> {
  const loaded = await loadConfig(process.cwd());
  const { handlers } = await chooseHandlers(options.tasks, loaded);
  const { engine } = await chooseEngine(options, loaded, true);
  const { guardrails } = loaded?.config ?? {};
  try {
    return await closing(createScheduler({ engine, handlers, ...present({ guardrails }) }), use);
  } catch (error) {
    if (hasCode(error, "ALREADY_EXISTS")) {
      throw new AlreadyExistsError(error.message, { field: "id", mend: "Change it with schedules update." });
    }
    throw named(error, options);
  }
}

/** An error with the options as they were typed. */
function named(error: unknown, options: DefinitionOptions): unknown {
  const given = (["cron", "every", "at", "when", "endAt", "startAt"] as const).find(
    (name) => options[name] !== undefined,
  );
  return [
    ["catchUp.window", "--catch-up-window"] as const,
    ["catchUp.limit", "--catch-up-limit"] as const,
    // What has no tick to come: the rule that was given, or the stored one within the bounds that were.
    ["when", given === undefined ? "--when" : flag(given)] as const,
  ].reduce<unknown>((told, [field, option]) => renamed(told, [field], option), error);
}

async function preview(id: string, options: PreviewOptions): Promise<void> {
  const of = present({ tenant: options.tenant });
  const count = optionalWholeNumber(options.count, "--count") ?? 5;
  const changes = timingOf(options);
  const { stored, ticks } = await withScheduler(options, async ({ schedules }) => {
    const stored = await schedules.get(id, of);
    if (Object.keys(changes).length === 0) return { stored, ticks: await schedules.preview(id, { ...of, count }) };
    try {
      const whole = wholeOf(stored, id, of, changes);
      return { stored, ticks: await schedules.previewOf(id, whole, count) };
    } catch (error) {
      throw named(error, options);
    }
  });
  const now = Date.now();
  print(options, ticks, (width) => {
    const rows = ticks.length === 0 ? "no tick to come" : table(ticks, comingColumns(now), width);
    if (stored === undefined || stored.enabled) return rows;
    const reason = stored.disabledReason === undefined ? "" : ` (${stored.disabledReason})`;
    return `${rows}\n${id} is disabled${reason}: none of these fires until it is enabled`;
  });
}

/** What the schedule would be: what is stored with these times, or a new one of no particular task. */
function wholeOf(
  stored: ScheduleView | undefined,
  id: string,
  of: { readonly tenant?: string },
  changes: Partial<ScheduleOptions>,
): ScheduleOptions {
  const when = changes.when ?? stored?.when;
  if (when === undefined) {
    throw new InvalidInputError(`there is no schedule ${id}: give one of --cron, --every, --at and --when`, {
      field: "--cron",
    });
  }
  if (stored === undefined) return { task: "preview", ...of, ...changes, when };
  const { task, jitterMs, startAt, endAt, maxTicks } = stored;
  return { task, jitter: jitterMs, ...present({ startAt, endAt, maxTicks }), ...of, ...changes, when };
}

/** Ticks to come, one a line. */
export function comingColumns(now: number): readonly Column<PreviewTick>[] {
  return [
    { title: "NEXT TICKS", cell: ({ tick }) => instant(tick, now), whole: true },
    {
      title: "JOB DUE",
      cell: ({ tick, dueAt }) => (dueAt.getTime() === tick.getTime() ? undefined : rfc3339(dueAt)),
      optional: true,
    },
    { title: "NOTE", cell: ({ note }) => note, optional: true },
  ];
}

async function backfill(id: string, options: BackfillOptions): Promise<void> {
  const { tenant, overlap, priority } = options;
  const wish = {
    from: pastInstant(options.from, "--from"),
    to: options.to === undefined ? new Date() : pastInstant(options.to, "--to"),
    actor,
    ...present({
      tenant,
      overlap: overlap as OverlapPolicy | undefined,
      rate: options.rate === undefined ? undefined : rate(options.rate, "--rate"),
      priority: priority === undefined ? undefined : priorityOf(priority),
    }),
  };
  if (wish.to < wish.from) throw new InvalidInputError("--to must not be before --from", { field: "--to" });
  const dryRun = options.dryRun === true;
  const done = await withScheduler(options, async ({ schedules }) => {
    if (!dryRun && asks(options)) {
      const { fired } = await schedules.backfill(id, { ...wish, dryRun: true });
      if (fired.count > manyJobs) await confirm(`Make ${fired.count} jobs of ${id}, ${span(fired)}?`, "made");
    }
    return await schedules.backfill(id, { ...wish, dryRun });
  });
  print(options, done, () => told(id, done));
}

function told(id: string, { dryRun, fired, held, skipped, ticks }: BackfillResult): string {
  const may = dryRun ? "would be " : "";
  const lastDue = ticks.at(-1)?.dueAt;
  const parts = [
    fired.count === 0 ? undefined : `${jobs(fired.count)} ${may}made for ${span(fired)}`,
    lastDue === undefined || lastDue.getTime() <= Date.now() ? undefined : `the last is due ${instant(lastDue)}`,
    held.count === 0 ? undefined : `tick ${span(held)} ${may}held: its job starts when the unfinished one ends`,
    skipped.count === 0
      ? undefined
      : `${ticksText(skipped.count)} ${may}skipped by the overlap policy: ${span(skipped)}`,
  ].filter((part) => part !== undefined);
  const what = parts.length === 0 ? "no ticks in this range" : parts.join("\n");
  return `${dryRun ? "would backfill" : "backfilled"} ${id}: ${what}`;
}

function jobs(count: number): string {
  return `${count} ${count === 1 ? "job" : "jobs"}`;
}

function ticksText(count: number): string {
  return `${count} ${count === 1 ? "tick" : "ticks"}`;
}

function span({ count, first, last }: BackfillShare): string {
  if (first === undefined || last === undefined) return "no tick";
  return count === 1 ? rfc3339(first) : `${rfc3339(first)} to ${rfc3339(last)}`;
}
