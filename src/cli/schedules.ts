// `punctual schedules`: list, show, history, enable, disable, trigger, remove; the others are in schedule-changes.ts.

import type { Command } from "commander";
import {
  formatDuration,
  InvalidInputError,
  NotFoundError,
  type PreviewTick,
  type Rule,
  type ScheduleView,
  type TickRecord,
} from "../index.ts";
import { listing, tenantCell } from "./jobs.ts";
import { type GlobalOptions, optionalWholeNumber, type PageOptions, present } from "./options.ts";
import { print } from "./output.ts";
import { addScheduleChanges, comingColumns } from "./schedule-changes.ts";
import { actor, withScheduler } from "./session.ts";
import { type Column, fields, table } from "./table.ts";
import { instant, lateness, optionalInstant, optionalPastInstant, rfc3339 } from "./time.ts";

interface ListOptions extends GlobalOptions, PageOptions {
  readonly task?: string;
  readonly queue?: string;
  readonly enabled?: boolean;
  readonly disabled?: boolean;
  readonly idPrefix?: string;
}

interface DisableOptions extends GlobalOptions {
  readonly reason?: string;
  readonly cancelPending?: boolean;
}

interface HistoryOptions extends GlobalOptions, PageOptions {
  readonly since?: string;
  readonly until?: string;
}

interface TriggerOptions extends GlobalOptions {
  readonly tick?: string;
}

export function addSchedules(program: Command): void {
  const schedules = program
    .command("schedules")
    .description("look at schedules, switch them, fire them by hand")
    .helpCommand(false);
  schedules
    .command("list")
    .description("list schedules by tenant and id")
    .option("--task <NAME>", "of one task")
    .option("--queue <NAME>", "of one queue")
    .option("--enabled", "only those that fire")
    .option("--disabled", "only those that do not")
    .option("--id-prefix <PREFIX>", "whose id begins so")
    .option("--limit <COUNT>", "1 to 1000; 50 by default")
    .option("--cursor <CURSOR>", "the page after the one that gave this cursor")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
  const of = (name: string, description: string) =>
    schedules.command(name).description(description).argument("<ID>", "the schedule's id");
  of("show", "show a schedule and its next ticks").action((id: string, _: unknown, command: Command) =>
    show(id, command.optsWithGlobals()),
  );
  of("history", "list the ticks fired and skipped, newest first")
    .option("--since <WHEN>", "from this instant on, or from so long ago: 1d")
    .option("--until <WHEN>", "before this instant, or so long ago")
    .option("--limit <COUNT>", "1 to 1000; 50 by default")
    .option("--cursor <CURSOR>", "the page after the one that gave this cursor")
    .action((id: string, _: unknown, command: Command) => history(id, command.optsWithGlobals()));
  addScheduleChanges(schedules);
  of("enable", "let a schedule fire again, from now on").action((id: string, _: unknown, command: Command) =>
    enable(id, command.optsWithGlobals()),
  );
  of("disable", "stop a schedule on every replica")
    .option("--reason <TEXT>", "kept with the schedule")
    .option("--cancel-pending", "cancel its jobs that have not started, too")
    .action((id: string, _: unknown, command: Command) => disable(id, command.optsWithGlobals()));
  of("trigger", "make a job now, as a tick would; the next tick stays")
    .option("--tick <INSTANT>", "for a stated nominal tick: 2026-11-21T09:00:00Z")
    .action((id: string, _: unknown, command: Command) => trigger(id, command.optsWithGlobals()));
  of("remove", "remove a schedule")
    .option("--cancel-pending", "cancel its jobs that have not started, too")
    .action((id: string, _: unknown, command: Command) => remove(id, command.optsWithGlobals()));
}

async function list(options: ListOptions): Promise<void> {
  const { tenant, task, queue, idPrefix, cursor } = options;
  if (options.enabled === true && options.disabled === true) {
    throw new InvalidInputError("--enabled and --disabled exclude each other: give one", { field: "--enabled" });
  }
  const query = present({
    tenant,
    task,
    queue,
    idPrefix,
    cursor,
    enabled: options.enabled === true ? true : options.disabled === true ? false : undefined,
    limit: optionalWholeNumber(options.limit, "--limit"),
  });
  const page = await withScheduler(options, (scheduler) => scheduler.schedules.list(query));
  print(options, page, (width) => listing(page, scheduleColumns(), "no schedules", width));
}

async function show(id: string, options: GlobalOptions): Promise<void> {
  const of = present({ tenant: options.tenant });
  const { schedule, next } = await withScheduler(options, async ({ schedules }) => {
    const schedule = await schedules.get(id, of);
    if (schedule === undefined) throw unknownSchedule(id);
    return { schedule, next: schedule.enabled ? await schedules.preview(id, of) : [] };
  });
  print(options, { ...schedule, next }, (width) => describe(schedule, next, width));
}

async function history(id: string, options: HistoryOptions): Promise<void> {
  const query = present({
    tenant: options.tenant,
    since: optionalPastInstant(options.since, "--since"),
    until: optionalPastInstant(options.until, "--until"),
    limit: optionalWholeNumber(options.limit, "--limit"),
    cursor: options.cursor,
  });
  const { page, known } = await withScheduler(options, async ({ schedules }) => {
    const page = await schedules.history(id, query);
    const of = present({ tenant: options.tenant });
    return { page, known: page.items.length > 0 || (await schedules.get(id, of)) !== undefined };
  });
  const nothing = known ? "no ticks" : `no ticks of a schedule ${id} are in the log, and there is no such schedule`;
  print(options, page, (width) => listing(page, tickColumns, nothing, width));
}

const tickColumns: readonly Column<TickRecord>[] = [
  { title: "TICK", cell: ({ tick }) => rfc3339(tick), whole: true },
  { title: "OUTCOME", cell: (record) => outcomeOf(record), whole: true },
  { title: "AT", cell: ({ at }) => rfc3339(at), whole: true },
  { title: "LATE", cell: (record) => (record.outcome === "fired" ? lateness(record.latenessMs) : undefined) },
  {
    title: "JOB",
    cell: (record) => (record.outcome === "fired" ? record.job : undefined),
    optional: true,
    whole: true,
  },
  { title: "BY", cell: (record) => record.actor, optional: true },
  { title: "THROUGH", cell: throughOf, optional: true },
];

function outcomeOf(record: TickRecord): string {
  if (record.outcome === "fired") {
    return record.trigger === true ? "triggered" : record.backfill === true ? "backfilled" : "fired";
  }
  return `${record.count}${record.capped === true ? "+" : ""} skipped: ${record.reason}`;
}

function throughOf(record: TickRecord): string | undefined {
  return record.outcome === "skipped" && record.count > 1 ? rfc3339(record.through) : undefined;
}

async function enable(id: string, options: GlobalOptions): Promise<void> {
  const of = present({ tenant: options.tenant });
  const schedule = await withScheduler(options, ({ schedules }) => schedules.enable(id, { ...of, actor }));
  print(options, schedule, () => `enabled ${id}, next tick ${optionalInstant(schedule.nextAt) ?? "never"}`);
}

async function disable(id: string, options: DisableOptions): Promise<void> {
  const { tenant, reason, cancelPending } = options;
  const schedule = await withScheduler(options, ({ schedules }) =>
    schedules.disable(id, present({ tenant, reason, cancelPending, actor })),
  );
  print(options, schedule, () => `disabled ${id}`);
}

async function trigger(id: string, options: TriggerOptions): Promise<void> {
  const { tenant, tick } = options;
  const triggered = await withScheduler(options, ({ schedules }) =>
    schedules.trigger(id, present({ tenant, tick, actor })),
  );
  print(options, triggered, () => {
    switch (triggered.outcome) {
      case "fired":
        return `fired ${id}: job ${triggered.job}, due ${instant(triggered.dueAt)}`;
      case "held":
        return `held ${id}: the job starts when the unfinished one ends`;
      case "skipped":
        return `skipped ${id}: a job of it is unfinished`;
    }
  });
}

async function remove(id: string, options: DisableOptions): Promise<void> {
  const { tenant, cancelPending } = options;
  const removed = await withScheduler(options, ({ schedules }) =>
    schedules.remove(id, present({ tenant, cancelPending, actor })),
  );
  if (!removed) throw unknownSchedule(id);
  print(options, { id, outcome: "removed" }, () => `removed ${id}`);
}

function unknownSchedule(id: string): NotFoundError {
  return new NotFoundError(`there is no schedule ${id}`, {
    field: "id",
    mend: "Check the id, and name its tenant with --tenant if it is not the default one.",
  });
}

function scheduleColumns(): readonly Column<ScheduleView>[] {
  const now = Date.now();
  return [
    { title: "ID", cell: (schedule) => schedule.id, whole: true },
    { title: "TENANT", cell: tenantCell, optional: true },
    { title: "NEXT", cell: (schedule) => nextOf(schedule, now) },
    { title: "RULE", cell: (schedule) => ruleText(schedule.when) },
    { title: "TASK", cell: (schedule) => schedule.task },
    { title: "QUEUE", cell: (schedule) => schedule.queue },
    { title: "LAST", cell: (schedule) => optionalInstant(schedule.lastFiredAt, now), optional: true },
    { title: "FIRED", cell: (schedule) => schedule.ticksFired },
    { title: "NAME", cell: (schedule) => schedule.name, optional: true },
  ];
}

function nextOf(schedule: ScheduleView, now: number): string {
  if (!schedule.enabled)
    return `disabled${schedule.disabledReason === undefined ? "" : `: ${schedule.disabledReason}`}`;
  return optionalInstant(schedule.nextAt, now) ?? "never";
}

/** A rule on one line, much as it is written in code. */
function ruleText(rule: Rule): string {
  switch (rule.kind) {
    case "cron":
      return `${rule.expression} ${rule.timezone}`;
    case "every":
      return `every ${formatDuration(rule.everyMs)}`;
    case "every-calendar": {
      const units = (["years", "months", "weeks", "days"] as const).filter((unit) => rule[unit] !== undefined);
      return `every ${units.map((unit) => `${rule[unit]} ${unit}`).join(" ")} ${rule.timezone}`;
    }
    case "once":
      return `once ${rfc3339(new Date(rule.at))}`;
    case "union":
      return rule.rules.map(ruleText).join(" or ");
    case "except": {
      const instants = rule.instants.map((at) => rfc3339(new Date(at)));
      return `${ruleText(rule.rule)} except ${[...rule.days, ...instants, ...rule.rules.map(ruleText)].join(", ")}`;
    }
  }
}

function describe(schedule: ScheduleView, next: readonly PreviewTick[], width: number | undefined): string {
  const now = Date.now();
  const { catchUp } = schedule;
  const window = catchUp.windowMs === undefined ? "" : ` within ${formatDuration(catchUp.windowMs)}`;
  const about = fields([
    ["id", schedule.id],
    ["tenant", schedule.tenant],
    ["name", schedule.name],
    ["task", schedule.task],
    ["queue", schedule.queue],
    ["rule", ruleText(schedule.when)],
    ["state", schedule.enabled ? "enabled" : "disabled"],
    ["reason", schedule.disabledReason],
    ["next tick", optionalInstant(schedule.nextAt, now)],
    ["last tick", optionalInstant(schedule.lastTick, now)],
    ["last fired", optionalInstant(schedule.lastFiredAt, now)],
    ["last completed", optionalInstant(schedule.lastCompletedAt, now)],
    ["held tick", optionalInstant(schedule.heldTick, now)],
    ["ticks fired", schedule.ticksFired],
    ["failures in row", schedule.failuresInRow],
    ["overlap", schedule.overlap],
    ["catch-up", `${catchUp.policy}${window}`],
    ["jitter", schedule.jitterMs === 0 ? undefined : formatDuration(schedule.jitterMs)],
    ["starts", optionalInstant(schedule.startAt, now)],
    ["ends", optionalInstant(schedule.endAt, now)],
    ["ticks at most", schedule.maxTicks],
    [
      "pauses after",
      schedule.pauseOnFailure === undefined ? undefined : `${schedule.pauseOnFailure} failures in a row`,
    ],
    ["priority", schedule.priority],
    ["attempts", schedule.attempts],
    ["input", JSON.stringify(schedule.input)],
    ["metadata", schedule.metadata === undefined ? undefined : JSON.stringify(schedule.metadata)],
    ["revision", schedule.revision],
    ["created", instant(schedule.createdAt, now)],
    ["updated", instant(schedule.updatedAt, now)],
  ]);
  if (next.length === 0) return about;
  return `${about}\n\n${table(next, comingColumns(now), width)}`;
}
