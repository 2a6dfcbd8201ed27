// A ticker process whose wall clock is wrong. Prints every tick that it fires as a line of JSON.
// Arguments: a JSON object with `file`, `offsetMs` and `clock`: "own" shifts what the process thinks the time is; "store"
// shifts `Date.now` itself, which on SQLite is the store's clock for whatever this process does there.
import { createScheduler } from "punctual";
import { sqlite } from "punctual/sqlite";
import { systemClock } from "../../src/runtime/clock.ts";

export interface SkewedOptions {
  readonly file: string;
  readonly offsetMs: number;
  readonly clock: "own" | "store";
}

const { file, offsetMs, clock } = JSON.parse(process.argv[2] ?? "{}") as SkewedOptions;
const realNow = Date.now;
if (clock === "store") Date.now = () => realNow() + offsetMs;

const scheduler = createScheduler({
  engine: sqlite(file, { clock: { now: () => Date.now() } }),
  clock: clock === "own" ? { ...systemClock, wall: () => Date.now() + offsetMs } : systemClock,
});
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
scheduler.on("tick:fired", ({ id, tick }) => print({ id, tick: tick.getTime() }));
scheduler.on("worker:error", ({ error, where }) => print({ error: `${where}: ${error}` }));
process.once("SIGTERM", () => void scheduler.stop().then(() => process.exit(0)));
await scheduler.start({ roles: ["ticker"] });
print({ ready: true });
