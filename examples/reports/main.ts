// The example that `npm start` runs: the report schedules of 200 tenants, and reminders as keyed timers.
// It may be killed and started again at any moment: everything is in the store, and each tick makes one job.
//   npm start -- --for 20s                          ends by itself
//   PUNCTUAL_URL=sqlite:/tmp/other.db npm start     another store; the URL alone chooses the engine
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createScheduler, parseDuration } from "punctual";
import { connect } from "punctual/connect";
import { loadTenants, schedulesOf } from "./schedules.ts";
import { Summary } from "./summary.ts";
import { handlers, remind, reminderKey } from "./tasks.ts";

const { values: flags } = parseArgs({ options: { for: { type: "string" } } });
const runMs = flags.for === undefined ? undefined : parseDuration(flags.for, "--for");
const url = process.env["PUNCTUAL_URL"] ?? `sqlite:${join(import.meta.dirname, "reports.db")}`;
const tenants = loadTenants();
const zones = new Map(tenants.map((tenant) => [tenant.id, tenant.timezone]));

const engine = await connect(url);
const scheduler = createScheduler({ engine, handlers, worker: { concurrency: 20 } });
const summary = new Summary(scheduler, zones);

// Ensuring is safe at every start: what is unchanged keeps its next tick, so a restart neither repeats nor loses one.
const ensured = await scheduler.schedules.ensureMany(tenants.flatMap(schedulesOf));

// A timer has a key: putting it again, here or in a handler, replaces it instead of adding another.
for (const { id: tenant, to } of tenants.slice(0, 10)) {
  const reminder = { report: "yesterday", to, nudge: 3 };
  await scheduler.timers.put(remind, reminder, { tenant, key: reminderKey, delay: "3s" });
}

const fresh = ensured.filter(({ outcome }) => outcome === "created").length;
const known = ensured.length - fresh;
console.log(
  `Punctual on ${engine.name}: reports for ${tenants.length} tenants in ${new Set(zones.values()).size} zones.`,
);
console.log(`${ensured.length} schedules: ${fresh} new, ${known} from an earlier start; 10 reminders due in 3 s.`);
console.log("Below: what ran, on which tick (the tenant's wall clock), how late it began. Ctrl-C drains and stops.\n");

await scheduler.start();
let stopping = false;
const summaryTimer = setInterval(() => summary.print(), 5_000);
const endTimer = runMs === undefined ? undefined : setTimeout(stop, runMs);
process.on("SIGINT", stop);
process.on("SIGTERM", stop);

/** Claims nothing new, lets what runs finish, gives back what does not finish in time, closes the store. */
async function stop(): Promise<void> {
  if (stopping) return; // npm passes on a Ctrl-C that the terminal has sent here already
  stopping = true;
  clearInterval(summaryTimer);
  clearTimeout(endTimer);
  console.log("\nStopping: waiting for what still runs, up to 10 s.");
  await scheduler.stop({ timeout: "10s" });
  summary.print();
}
