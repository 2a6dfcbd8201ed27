// The example that `npm start` runs, on SQLite and on NATS: the URL is another, and nothing else.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { createScheduler } from "punctual";
import { connect } from "punctual/connect";
import { expect, onTestFinished, test } from "vitest";
import { loadTenants } from "../../examples/reports/schedules.ts";
import { startNats } from "../../scripts/services/nats.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Run {
  readonly lines: readonly string[];
  readonly err: string;
  readonly code: number | null;
}

/** The example on a store, asked to stop as soon as it has printed what is waited for. */
async function example(url: string, isEnough: (lines: readonly string[]) => boolean): Promise<Run> {
  const env = { ...process.env, PUNCTUAL_URL: url };
  const child = spawn(process.execPath, ["--conditions=source", "examples/reports/main.ts"], { cwd: root, env });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const err = text(child.stderr);
  const lines: string[] = [];
  let isAsked = false;
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(stripVTControlCharacters(line));
    if (isAsked || !isEnough(lines)) continue;
    isAsked = true;
    child.kill("SIGTERM");
  }
  return { lines, err: await err, code: await ended };
}

/** Whom a reminder has been sent to. */
function reminded(lines: readonly string[]): Set<string> {
  return new Set(lines.flatMap((line) => /completed +remind +(\S+)/.exec(line)?.[1] ?? []));
}

/** Reminders are put for the first ten tenants; a report that comes every few seconds would put one off again and again. */
const remindedAtStart = loadTenants()
  .slice(0, 10)
  .filter(({ reports }) => reports.every(({ every }) => every === undefined))
  .map(({ id }) => id);

function hasReminded(lines: readonly string[]): boolean {
  const names = reminded(lines);
  return remindedAtStart.every((id) => names.has(id));
}

/** Its handlers for signals are in place by then. */
const hasWorked = (lines: readonly string[]) => lines.some((line) => / completed +\S/.test(line));

/** The schedules that a store holds, and how many attempts its reminders took. */
async function contentsOf(url: string) {
  const scheduler = createScheduler({ engine: await connect(url, { mustExist: true }) });
  const schedules = await scheduler.schedules.list({ limit: 1_000 });
  const reminders = await scheduler.jobs.list({ task: "remind", state: "completed", limit: 1_000 });
  await scheduler.stop();
  return {
    schedules: schedules.items.map(({ tenant, id, task, when }) => JSON.stringify({ tenant, id, task, when })).sort(),
    attempts: new Set(reminders.items.map(({ attempt }) => attempt)),
  };
}

test("D1 the example runs on NATS as it does on SQLite, with another URL and nothing else", {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-example-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startNats();
  onTestFinished(() => server.close());
  const urls = { sqlite: `sqlite:${join(folder, "reports.db")}`, nats: server.url };

  const [onSqlite, onNats] = await Promise.all([example(urls.sqlite, hasReminded), example(urls.nats, hasReminded)]);
  expect(onNats).toMatchObject({ err: "", code: 0 });
  expect(onSqlite).toMatchObject({ err: "", code: 0 });
  expect(onNats.lines.slice(0, 3)).toEqual([
    onSqlite.lines[0]?.replace("on sqlite", "on nats"),
    ...onSqlite.lines.slice(1, 3),
  ]);
  expect(onNats.lines[1]).toMatch(/^(\d+) schedules: \1 new, 0 from an earlier start/);
  expect(hasReminded(onNats.lines) && hasReminded(onSqlite.lines)).toBe(true);
  const contents = await contentsOf(urls.nats);
  expect(contents).toEqual(await contentsOf(urls.sqlite));
  expect(contents.attempts).toEqual(new Set([1]));

  const again = await example(urls.nats, hasWorked);
  expect(again).toMatchObject({ err: "", code: 0 });
  expect(again.lines[1]).toMatch(/^(\d+) schedules: 0 new, \1 from an earlier start/);
});
