// `punctual events`: list, tail.

import type { Command } from "commander";
import { type EventTypeQuery, type EventView, InvalidInputError } from "../index.ts";
import { listing, tenantCell } from "./jobs.ts";
import { type GlobalOptions, names, optionalWholeNumber, type PageOptions, present } from "./options.ts";
import { print } from "./output.ts";
import { withScheduler } from "./session.ts";
import { stopSignal } from "./stop-signal.ts";
import { type Column, plain } from "./table.ts";
import { optionalPastInstant, rfc3339 } from "./time.ts";

interface SelectionOptions extends GlobalOptions {
  readonly type?: string;
  readonly job?: string;
  readonly schedule?: string;
  readonly queue?: string;
  readonly actor?: string;
  readonly since?: string;
}

interface ListOptions extends SelectionOptions, PageOptions {
  readonly until?: string;
}

interface TailOptions extends SelectionOptions {
  readonly follow?: boolean;
  readonly count?: string;
  readonly after?: string;
}

/** Events that a tail begins with. */
const countDefault = 20;

export function addEvents(program: Command): void {
  const events = program.command("events").description("read the audit log, follow it").helpCommand(false);
  selected(events.command("list").description("list events, newest first"))
    .option("--until <WHEN>", "before this instant, or so long ago")
    .option("--limit <COUNT>", "1 to 1000; 50 by default")
    .option("--cursor <CURSOR>", "the page after the one that gave this cursor")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
  selected(events.command("tail").description("print the last events, oldest first, and go on with --follow"))
    .option("-f, --follow", "go on with what comes, until a signal asks to stop")
    .option("--count <COUNT>", `so many of the last events, 0 to 1000 (default: ${countDefault})`)
    .option("--after <ID>", "all that came after this event, instead of the last ones")
    .action((_: unknown, command: Command) => tail(command.optsWithGlobals<TailOptions>()));
}

function selected(command: Command): Command {
  return command
    .option("--type <TYPES>", 'of these types, divided by commas: job:failed, "schedule:*"')
    .option("--job <ID>", "about one job")
    .option("--schedule <ID>", "about one schedule")
    .option("--queue <NAME>", "about one queue")
    .option("--actor <NAME>", "done by one actor")
    .option("--since <WHEN>", "from this instant on, or from so long ago: 1h");
}

function selectionOf({ tenant, job, schedule, queue, actor, type, since }: SelectionOptions) {
  return present({
    ...{ tenant, job, schedule, queue, actor },
    type: type === undefined ? undefined : (names(type, "--type") as readonly EventTypeQuery[]),
    since: optionalPastInstant(since, "--since"),
  });
}

async function list(options: ListOptions): Promise<void> {
  const query = {
    ...selectionOf(options),
    ...present({
      until: optionalPastInstant(options.until, "--until"),
      limit: optionalWholeNumber(options.limit, "--limit"),
      cursor: options.cursor,
    }),
  };
  const page = await withScheduler(options, (scheduler) => scheduler.events.list(query));
  print(options, page, (width) => listing(page, columns, "no events", width));
}

async function tail(options: TailOptions): Promise<void> {
  const ending = new AbortController();
  const end = () => ending.abort();
  if (options.follow === true) {
    stopSignal().then(end, end);
    // A reader that has left (`| head -1`) wants no more. A pipe tells so when the next event is written to it.
    process.stdout.once("error", end).once("close", end);
  }
  if (options.count !== undefined && options.after !== undefined) {
    throw new InvalidInputError("--count and --after exclude each other: give one", { field: "--count" });
  }
  const count = optionalWholeNumber(options.count, "--count") ?? countDefault;
  if (count < 0 || count > 1_000) {
    throw new InvalidInputError(`--count must be 0 to 1000, got ${count}`, { field: "--count" });
  }
  const after = optionalWholeNumber(options.after, "--after");
  const selection = selectionOf(options);
  const show = (event: EventView) => console.log(options.json === true ? JSON.stringify(event) : line(event));
  await withScheduler(options, async ({ events }) => {
    // What comes between the two reads has a greater id than the newest seen, so that it is followed, not lost.
    const newest = (await events.list({ limit: 1 })).items[0]?.id ?? 0;
    let seen = after ?? newest;
    if (after === undefined && count > 0) {
      const { items } = await events.list({ ...selection, limit: count });
      for (const event of items.toReversed()) show(event);
      seen = Math.max(seen, items[0]?.id ?? 0);
    }
    if (options.follow !== true && after !== undefined) {
      for (let cursor: string | undefined; ; ) {
        const page = await events.list({ ...selection, after, order: "oldest", limit: 1_000, ...present({ cursor }) });
        for (const event of page.items) show(event);
        cursor = page.next;
        if (cursor === undefined) break;
      }
    }
    if (options.follow !== true) return;
    for await (const event of events.tail({ ...selection, after: seen, signal: ending.signal })) show(event);
  });
}

const columns: readonly Column<EventView>[] = [
  { title: "ID", cell: ({ id }) => id, whole: true },
  { title: "AT", cell: ({ at }) => rfc3339(at), whole: true },
  { title: "TYPE", cell: ({ type }) => type, whole: true },
  { title: "TENANT", cell: tenantCell, optional: true },
  { title: "ACTOR", cell: ({ actor }) => actor, optional: true },
  { title: "JOB", cell: ({ job }) => job, optional: true, whole: true },
  { title: "SCHEDULE", cell: ({ schedule }) => schedule, optional: true },
  { title: "QUEUE", cell: ({ queue }) => queue, optional: true },
  { title: "DATA", cell: dataText, optional: true },
];

/** An event on one line: its id, which --after takes; when, what, about what, by whom, the rest. */
function line(event: EventView): string {
  const { id, at, type, tenant, job, schedule, queue, actor } = event;
  const about = [
    ...(tenant === "default" ? [] : [`tenant ${tenant}`]),
    ...(schedule === undefined ? [] : [`schedule ${schedule}`]),
    ...(job === undefined ? [] : [`job ${job}`]),
    ...(queue === undefined ? [] : [`queue ${queue}`]),
    ...(actor === undefined ? [] : [`by ${actor}`]),
  ];
  return plain(
    [String(id).padStart(6), at.toISOString(), type.padEnd(17), ...about, dataText(event)].join("  ").trimEnd(),
  );
}

function dataText({ data }: EventView): string {
  const parts = Object.entries(data).map(([name, value]) => {
    const text = value instanceof Date ? rfc3339(value) : typeof value === "string" ? value : JSON.stringify(value);
    return `${name}=${text}`;
  });
  return parts.join(" ");
}
