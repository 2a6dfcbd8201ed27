// `punctual next`: the coming ticks of a cron expression, without a store.

import type { Command } from "commander";
import { parseCron } from "../core/cron/grammar.ts";
import { cronNote } from "../core/cron/next.ts";
import { getZone } from "../core/cron/zone.ts";
import { checkInstant } from "../core/instant.ts";
import { seedOf } from "../core/tick.ts";
import { cron, defaults, nextTicks } from "../index.ts";
import { type GlobalOptions, optionalWholeNumber } from "./options.ts";
import { print } from "./output.ts";
import { table } from "./table.ts";
import { instant, withOffset } from "./time.ts";

interface Options extends GlobalOptions {
  readonly tz: string;
  readonly count?: string;
  readonly after?: string;
  readonly schedule?: string;
}

export function addNext(program: Command): void {
  program
    .command("next")
    .description("print the next ticks of a cron expression; needs no store")
    .argument("<EXPR>", "5 fields, or 6 with seconds first, or a nickname such as @daily; in quotes")
    .option("--tz <ZONE>", "IANA time zone", "UTC")
    .option("--count <COUNT>", "how many; 5 by default")
    .option("--after <INSTANT>", "strictly after this instant (default: now)")
    .option("--schedule <ID>", "hash H fields as for this schedule (of --tenant)")
    .action((expression: string, _: unknown, command: Command) => next(expression, command.optsWithGlobals<Options>()));
}

async function next(expression: string, options: Options): Promise<void> {
  const now = Date.now();
  const rule = cron(expression, { timezone: options.tz });
  const zone = getZone(rule.timezone);
  const after = options.after === undefined ? now : checkInstant(options.after, "--after");
  const count = optionalWholeNumber(options.count, "--count") ?? 5;
  const seed = options.schedule === undefined ? "" : seedOf(options.tenant ?? defaults.tenant, options.schedule);
  const compiled = parseCron(rule.expression, seed);
  const ticks = nextTicks(rule, { after: new Date(after), count, seed }).map((tick) => {
    const note = cronNote(compiled, zone, tick.getTime(), rule);
    return {
      tick,
      local: withOffset(tick, zone.offsetAt(tick.getTime())),
      ...(note === undefined ? {} : { note: note.text }),
    };
  });
  print(options, ticks, (width) => {
    if (ticks.length === 0) return "no tick within 100 years";
    return table(
      ticks,
      [
        { title: "DAY", cell: ({ local }) => weekday(local), whole: true },
        { title: rule.timezone, cell: ({ local }) => local, whole: true },
        { title: "UTC", cell: ({ tick }) => instant(tick, now), whole: true },
        { title: "NOTE", cell: ({ note }) => note, optional: true },
      ],
      width,
    );
  });
}

/** The weekday of a wall time. */
function weekday(local: string): string {
  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  return days[new Date(`${local.replace(/T.*/, "")}T00:00:00Z`).getUTCDay()] ?? "";
}
