// The process that kill-nine.ts kills: the example's tasks and schedules on a short lease, with every effect and every
// acknowledged enqueue in a journal. Usage: reports-process.ts --file DB --journal FILE --lease 2s [--drain]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createScheduler, type Handler } from "punctual";
import { sqlite } from "punctual/sqlite";
import { loadTenants, schedulesOf } from "../../examples/reports/schedules.ts";
import { handlers, remind, sendReport } from "../../examples/reports/tasks.ts";
import { writeJournal } from "./journal.ts";

const { values } = parseArgs({
  options: {
    file: { type: "string", default: "" },
    journal: { type: "string", default: "" },
    lease: { type: "string", default: "2s" },
    /** Fires no tick and accepts nothing: runs what is left. */
    drain: { type: "boolean", default: false },
  },
});
const { file, journal } = values;
const keepAll = 1_000_000;

const scheduler = createScheduler({
  engine: sqlite(file, { retention: { completedCountMax: keepAll, endedCountMax: keepAll } }),
  handlers: handlers.map(journalled),
  worker: { concurrency: 20, lease: values.lease },
});
scheduler.on("job:lease-lost", ({ id, attempt }) => writeJournal(journal, { kind: "lease-lost", job: id, attempt }));
scheduler.on("worker:error", ({ where, error }) =>
  writeJournal(journal, { kind: "error", text: `${where}: ${error}` }),
);

/** A handler that writes down when it is called and when its effect has taken place. */
function journalled(handler: Handler): Handler {
  return {
    ...handler,
    run: async (input, ctx) => {
      const { id } = ctx.job;
      const schedule = ctx.schedule === undefined ? {} : { schedule: `${ctx.tenant}/${ctx.schedule.id}` };
      const tick = ctx.tick === undefined ? {} : { tick: ctx.tick.at.getTime() };
      const about = { job: id, attempt: ctx.attempt, ...schedule, ...tick };
      writeJournal(journal, { kind: "started", ...about });
      const output = await handler.run(input, ctx);
      writeJournal(journal, { kind: "done", ...about });
      return output;
    },
  };
}

/** Enqueues in every way there is; an id is written down only after the store has acknowledged it. */
async function produce(): Promise<void> {
  for (let round = 0; ; round++) {
    const tenant = `producer-${round % 7}`;
    const input = { report: "asked-for", to: `team@${tenant}.example`, source: "warehouse" } as const;
    const reminder = { report: "asked-for", to: input.to, nudge: 2 };
    const accepted = await Promise.all([
      scheduler.enqueue(sendReport, input, { tenant, priority: round % 3 === 0 ? "high" : "normal" }),
      scheduler.enqueue(sendReport, input, { tenant, delay: (round * 137) % 3_000 }),
      scheduler.enqueue(sendReport, { ...input, source: "crm" }, { tenant }),
      scheduler.timers.put(remind, reminder, { tenant, key: `timer-${round % 5}`, delay: (round * 71) % 2_000 }),
      scheduler.timers.put(remind, reminder, { tenant, key: "tomorrow", delay: "1d" }),
    ]);
    const batch = await scheduler.enqueueMany(
      [1, 2, 3].map(() => ({ task: sendReport, input })),
      { tenant },
    );
    for (const { id } of [...accepted, ...batch]) writeJournal(journal, { kind: "accepted", job: id });
    await sleep(40);
  }
}

process.once("SIGTERM", () => {
  scheduler.stop({ timeout: "10s" }).then(
    () => process.exit(0),
    (error: unknown) => {
      writeJournal(journal, { kind: "error", text: `stop: ${error}` });
      process.exit(1);
    },
  );
});

if (!values.drain) await scheduler.schedules.ensureMany(loadTenants().flatMap(schedulesOf));
await scheduler.start(values.drain ? { roles: ["worker", "janitor"] } : {});
writeJournal(journal, { kind: "ready" });
if (!values.drain) await produce();
