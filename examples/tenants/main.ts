// Schedules of several tenants that live in the application's own table, within limits for each. Ends by itself.
//   node --conditions=source examples/tenants/main.ts
import { setTimeout as sleep } from "node:timers/promises";
import { createScheduler, cron, handle, scheduleSource, task } from "punctual";
import { connect } from "punctual/connect";
import { ReportTable, type Row } from "./table.ts";

const sendReport = task<{ title: string }>("send-report");
const table = new ReportTable();
const sent = new Map<string, number>();

// The table says what is scheduled. A change is heard at once; one that nobody heard of is found within 5 s.
const reports = scheduleSource<Row>({
  name: "reports",
  load: () => table.all(),
  loadOne: (id) => table.one(id),
  changes: ({ signal }) => table.changes(signal),
  toSchedule: ({ active, customer, title, cron: expression }) =>
    active === 0
      ? undefined
      : { task: sendReport, tenant: customer, name: title, input: { title }, when: cron(expression) },
  reconcileEvery: "5s",
});

const scheduler = createScheduler({
  engine: await connect(process.env["PUNCTUAL_URL"] ?? "memory:"),
  handlers: [
    handle(sendReport, ({ title }, { tenant }) => {
      const report = `${tenant}: ${title}`;
      sent.set(report, (sent.get(report) ?? 0) + 1);
    }),
  ],
  sources: [reports],
  // What every tenant may have. The store holds to it, however many processes create schedules at once.
  guardrails: { maxActiveSchedules: 2, minInterval: "1s" },
});
// One that pays for more.
await scheduler.tenants.limit("orchid", { guardrails: { maxActiveSchedules: 50 }, weight: 3 });

for (const name of ["schedule:created", "schedule:updated", "schedule:removed"] as const) {
  scheduler.on(name, ({ tenant, id }) => say(`${name.slice("schedule:".length).padEnd(8)} ${id} of ${tenant}`));
}
scheduler.on("worker:error", ({ error }) => say(`refused  ${error instanceof Error ? error.message : error}`));

table.add("amber", "sales", "*/2 * * * * *");
table.add("amber", "stock", "*/3 * * * * *");
table.add("amber", "one too many", "* * * * * *");
table.add("birch", "a slip", "61 * * * *");
for (const title of ["a", "b", "c", "d"]) table.add("orchid", title, "*/4 * * * * *");

say("The table has 8 reports of 3 tenants: one is over its tenant's limit, one is no cron expression.");
await scheduler.start();
await sleep(2_500);

say("A customer changes a report, and another mends the slip.");
table.change("sales", "* * * * * *");
table.change("a slip", "*/2 * * * * *");
await sleep(2_500);

say(
  "The message bus is down. A report is deleted, one switched off: the next load finds out, and there is room again.",
);
table.silent = true;
table.delete("stock");
table.switchOff("d");
await sleep(6_500);

await scheduler.stop();
table.close();
say("Sent:");
for (const [report, count] of [...sent].sort()) console.log(`           ${report.padEnd(22)} ${count} times`);

function say(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)}   ${text}`);
}
