// `punctual copy`: a whole store into another one, resumable and verified.
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { connect, redactUrl } from "../connect.ts";
import { type CopyResult, copyStore, type Engine, InvalidInputError } from "../index.ts";
import { refuseUnrest } from "../runtime/copy.ts";
import { type AskingOptions, asks, confirm } from "./confirm.ts";
import { print } from "./output.ts";
import { ProgressBar } from "./progress.ts";
import { renamed } from "./session.ts";
import { fields } from "./table.ts";

interface Options extends AskingOptions {
  readonly from?: string;
  readonly to?: string;
}

export function addCopy(program: Command): void {
  program
    .command("copy")
    .description("copy a whole store into another one; cut off, run it again and it goes on")
    .requiredOption("--from <URL>", "the store to copy: paused, and its processes stopped")
    .requiredOption("--to <URL>", "the store to make: empty, or an unfinished copy of the same store")
    .option("--yes", "do not ask on a terminal")
    .action((_: unknown, command: Command) => copy(command.optsWithGlobals<Options>()));
}

async function copy(options: Options): Promise<void> {
  const { from = "", to = "" } = options;
  if (options.engine !== undefined || options.tenant !== undefined) {
    const field = options.engine === undefined ? "--tenant" : "--engine";
    throw new InvalidInputError(`${field} does not apply: a copy is of a whole store, from --from to --to`, { field });
  }
  refuseMemory(from, "--from");
  refuseMemory(to, "--to");
  if (isSamePlace(from, to)) {
    throw new InvalidInputError("--to must be another store than --from", { field: "--to" });
  }
  const target = await reach(to, "--to", false);
  const source = await reach(from, "--from", true);
  await opened(source, "--from");
  try {
    // Before a target is made that nothing will be copied into.
    await refuseUnrest(source);
    await ask(options, source);
    await opened(target, "--to");
    try {
      report(options, await run(source, target, options));
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function refuseMemory(url: string, field: string): void {
  if (!/^memory:|^(?:sqlite:)?:memory:$/i.test(url)) return;
  throw new InvalidInputError(`${field} must be a store that outlasts this command, got ${JSON.stringify(url)}`, {
    field,
  });
}

async function reach(url: string, field: string, mustExist: boolean): Promise<Engine> {
  try {
    return await connect(url, { mustExist });
  } catch (error) {
    throw renamed(error, ["url", "location"], field);
  }
}

async function opened(engine: Engine, field: string): Promise<void> {
  try {
    await engine.open();
  } catch (error) {
    throw renamed(error, ["url", "location"], field);
  }
}

async function ask(options: Options, source: Engine): Promise<void> {
  if (!asks(options)) return;
  const { job, schedule } = await source.transfer.counts();
  const what = `jobs: ${job.toLocaleString("en")}, schedules: ${schedule.toLocaleString("en")}`;
  await confirm(`Copy everything (${what}) to ${redactUrl(options.to ?? "")}?`, "copied");
}

async function run(source: Engine, target: Engine, options: Options): Promise<CopyResult> {
  const bar = new ProgressBar(options);
  try {
    return await copyStore(source, target, {
      source: placeOf(options.from ?? ""),
      onProgress: ({ stage, kind, done, expected }) => bar.show(stage, done, expected, kindNames[kind]),
    });
  } finally {
    bar.end();
  }
}

const kindNames = {
  queue: "queues",
  tenant: "tenants",
  job: "jobs",
  lane: "totals",
  idempotency: "idempotency keys",
  record: "records",
  event: "events",
  eventSequence: "events",
  schedule: "schedules",
} as const;

function report(options: Options, { counts, digest, written, removed, resumed }: CopyResult): void {
  const [from, to] = [redactUrl(options.from ?? ""), redactUrl(options.to ?? "")];
  print(options, { from, to, counts, digest, written, removed, resumed }, () => {
    const table = fields([
      ["jobs", counts.job],
      ["schedules", counts.schedule],
      ["events", counts.event],
      ["other", counts.queue + counts.idempotency + counts.record],
      ["written", `${written}${resumed ? ", the rest was there from a copy that was cut off" : ""}`],
      ["removed", removed === 0 ? undefined : removedText(removed)],
      ["digest", `${digest}, the same of both`],
    ]);
    const next = `Point your processes at ${to} and start them, then: punctual queues resume --all --engine ${to}`;
    return `${table}\n${to} is now what ${from} is. Both are paused.\n${next}`;
  });
}

function removedText(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "item" : "items"} that the source no longer has`;
}

/** A URL in one form, without secrets: what tells a store from another. */
function placeOf(url: string): string {
  const path = pathOf(url);
  return path === undefined ? redactUrl(url) : `sqlite:${resolve(path)}`;
}

/** The file that a URL names; undefined when it names none. */
function pathOf(url: string): string | undefined {
  return /^sqlite:(?:\/\/(?=.))?(.*)$/i.exec(url)?.[1] ?? (/^[a-z][a-z0-9+.-]+:/i.test(url) ? undefined : url);
}

/** Whether both are one store, under whatever names: a copy of a store onto itself would attest what was never done. */
function isSamePlace(from: string, to: string): boolean {
  if (placeOf(from) === placeOf(to)) return true;
  const [mine, theirs] = [fileOf(from), fileOf(to)];
  if (mine === undefined || theirs === undefined) return false;
  return mine.path === theirs.path || (mine.dev === theirs.dev && mine.ino === theirs.ino && mine.ino !== 0n);
}

/** The file behind links; undefined when there is none. */
function fileOf(url: string) {
  const path = pathOf(url);
  if (path === undefined) return undefined;
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return { path: realpathSync(path), dev, ino };
  } catch {
    return undefined;
  }
}
