// A process of one version of Punctual, named by the folder of its sources: fills a store, serves it, or only opens it.
// Usage: version-process.ts fill|serve|open ROOT FILE [JOURNAL]
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type * as sqliteModule from "../../src/engines/sqlite/index.ts";
import type * as indexModule from "../../src/index.ts";
import { fillStore } from "./filled-store.ts";
import { writeJournal } from "./journal.ts";

const [mode = "", root = "", file = "", journal = ""] = process.argv.slice(2);

const load = (path: string) => import(pathToFileURL(join(root, "src", path)).href);
const { createScheduler, cron, handle, task } = (await load("index.ts")) as typeof indexModule;
const { sqlite } = (await load("engines/sqlite/index.ts")) as typeof sqliteModule;

const keepAll = 1_000_000;
const engine = sqlite(file, { retention: { completedCountMax: keepAll, endedCountMax: keepAll } });

async function serve(): Promise<void> {
  const work = task<{ n: number }>("work");
  const tick = task("tick");
  const scheduler = createScheduler({
    engine,
    handlers: [
      handle(work, async (_input, ctx) => {
        writeJournal(journal, { kind: "started", job: ctx.job.id, attempt: ctx.attempt });
        await sleep(2);
        writeJournal(journal, { kind: "done", job: ctx.job.id, attempt: ctx.attempt });
      }),
      handle(tick, (_input, ctx) => {
        const of = { schedule: ctx.schedule?.id ?? "", tick: ctx.tick?.at.getTime() ?? 0 };
        writeJournal(journal, { kind: "done", job: ctx.job.id, attempt: ctx.attempt, ...of });
      }),
    ],
    worker: { concurrency: 10 },
  });
  scheduler.on("worker:error", ({ where, error }) => {
    const code = error instanceof Error && "code" in error ? `${error.code} ` : "";
    writeJournal(journal, { kind: "error", text: `${where}: ${code}${error}` });
  });
  let stopping = false;
  process.once("SIGTERM", () => {
    stopping = true;
    scheduler.stop({ timeout: "10s" }).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  for (const id of ["every-second", "every-second-too"]) {
    await scheduler.schedules.ensure(id, { task: "tick", when: cron("* * * * * *"), overlap: "allow" });
  }
  await scheduler.start();
  writeJournal(journal, { kind: "ready" });
  for (let n = 0; !stopping; n++) {
    try {
      const { id } = await scheduler.enqueue(work, { n }, { tenant: `tenant-${n % 3}`, delay: (n * 37) % 300 });
      writeJournal(journal, { kind: "accepted", job: id });
    } catch (error) {
      if (!stopping) writeJournal(journal, { kind: "error", text: `enqueue: ${error}` });
    }
    await sleep(10);
  }
}

async function open(): Promise<void> {
  await engine.open();
  await engine.jobs.stats({});
  await engine.close();
}

async function fill(): Promise<void> {
  await engine.open();
  await fillStore(engine, { jobs: 400, schedules: 30 });
  await engine.close();
}

const modes: Readonly<Record<string, () => Promise<void>>> = { serve, open, fill };
const run = modes[mode];
if (run === undefined) throw new Error(`the modes are ${Object.keys(modes).join(", ")}`);
await run();
