// What `punctual serve` prints: what it chose, then a line for whatever happens.
import {
  type ErrorRecord,
  formatDuration,
  isPunctualError,
  type JobEvent,
  type Role,
  type Scheduler,
  type SchedulerEvents,
} from "../index.ts";
import type { GlobalOptions } from "./options.ts";
import type { ChosenEngine } from "./session.ts";
import { fields, plain } from "./table.ts";
import { rfc3339 } from "./time.ts";

interface ReportOptions extends GlobalOptions {
  readonly quiet?: boolean;
}

/** What a serving process does, as it is printed at its start. */
interface Setup {
  readonly engine: Pick<ChosenEngine, "shown" | "source">;
  readonly config: string | undefined;
  readonly roles: readonly Role[];
  readonly tasks: readonly string[];
  readonly tasksFile: string | undefined;
  /** "*" when a handler takes any task. */
  readonly queues: readonly string[];
  readonly concurrency: number;
  readonly schedules: number;
  /** Names of the schedule sources that it runs. */
  readonly sources: readonly string[];
}

/** How each event is said to people: a word, and the rest of the line. */
type Words = { readonly [Name in keyof SchedulerEvents]?: (event: SchedulerEvents[Name]) => readonly string[] };

const words: Words = {
  "job:completed": (event) => ["completed", ...jobOf(event), duration(event.durationMs)],
  "job:retrying": (event) => [
    "retrying",
    ...jobOf(event),
    `attempt ${event.attempt}, again at ${rfc3339(event.retryAt)}:`,
    errorText(event.error),
  ],
  "job:failed": (event) => ["failed", ...jobOf(event), failureText(event.reason, event.error)],
  "job:cancelled": (event) => ["cancelled", ...jobOf(event)],
  "job:lease-lost": (event) => ["lease lost", ...jobOf(event), `attempt ${event.attempt}`],
  "job:unknown-task": (event) => ["no handler", ...jobOf(event), "given back for another worker"],
  "tick:fired": (event) => [
    "tick",
    scheduleOf(event),
    rfc3339(event.tick),
    `job ${event.job}`,
    `${duration(event.latenessMs)} late`,
  ],
  "tick:skipped": (event) => [
    "skipped",
    scheduleOf(event),
    `${event.count}${event.capped === true ? " or more" : ""} ${event.count === 1 ? "tick" : "ticks"}`,
    `${rfc3339(event.from)} to ${rfc3339(event.to)}`,
    `(${event.reason})`,
  ],
  "schedule:paused": (event) => ["paused", scheduleOf(event), "after too many failures"],
  "schedule:disabled": (event) => ["disabled", scheduleOf(event), event.reason ?? ""],
};

/** Subscribes to a scheduler's events and prints them; answers how to print the stages of serving. */
export function report(scheduler: Scheduler, options: ReportOptions) {
  const asJson = options.json === true;
  const line = (event: string, data: object, text: string) =>
    console.log(asJson ? JSON.stringify({ at: new Date(), event, ...data }) : text);

  if (options.quiet !== true) {
    const listen = <Name extends keyof SchedulerEvents & string>(name: Name) =>
      scheduler.on(name, (event) => {
        const [word = "", ...rest] = words[name]?.(event) ?? [];
        line(name, event, plain(`${new Date().toISOString()}  ${word.padEnd(10)}  ${rest.join("  ")}`.trimEnd()));
      });
    for (const name of Object.keys(words)) listen(name as keyof Words);
  }
  scheduler.on("worker:error", ({ error, where }) => {
    const code = isPunctualError(error) ? error.code : undefined;
    const message = plain(error instanceof Error ? error.message : String(error));
    const at = new Date();
    console.error(
      asJson
        ? JSON.stringify({ at, event: "worker:error", where, error: { code, message } })
        : `${at.toISOString()}  error       ${where}: ${message}${code === undefined ? "" : ` (${code})`}`,
    );
  });

  return {
    setup(setup: Setup): void {
      const { engine, ...rest } = setup;
      const told = { engine: { url: engine.shown, source: engine.source }, ...rest, pid: process.pid };
      line("serve:starting", told, setupText(setup));
    },
    ready: () => line("serve:ready", {}, "ready"),
    stopping(signal: string, drainMs: number): void {
      const text = `${signal}: waiting up to ${formatDuration(drainMs)} for running jobs; once more to exit at once`;
      line("serve:stopping", { signal, drainMs }, text);
    },
    stopped: () => line("serve:stopped", {}, "stopped"),
  };
}

function setupText(setup: Setup): string {
  const { engine, tasksFile, schedules, sources } = setup;
  const reason = engine.source === "default" ? "the default" : `from ${engine.source}`;
  const tasks = setup.tasks.map((name) => (name === "*" ? "any task" : name)).join(", ");
  return fields([
    ["engine", `${engine.shown} (${reason})`],
    ["config", setup.config ?? "none"],
    ["roles", setup.roles.join(", ")],
    ["tasks", `${tasks === "" ? "none" : tasks}${tasksFile === undefined ? "" : ` (${tasksFile})`}`],
    ["queues", setup.queues.map((name) => (name === "*" ? "all" : name)).join(", ") || "none"],
    ["concurrency", setup.concurrency],
    ["schedules", schedules === 0 ? undefined : `${schedules} ensured`],
    ["sources", sources.length === 0 ? undefined : sources.join(", ")],
  ]);
}

function jobOf({ task, id, tenant }: JobEvent): readonly string[] {
  return [task, id, ...(tenant === "default" ? [] : [`tenant ${tenant}`])];
}

function scheduleOf({ id, tenant }: { readonly id: string; readonly tenant: string }): string {
  return tenant === "default" ? id : `${id}  tenant ${tenant}`;
}

function duration(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)}ms` : formatDuration(ms);
}

/** The reason often is the last error's own message. */
function failureText(reason: string, error: ErrorRecord | undefined): string {
  if (error === undefined) return reason;
  return reason === error.message ? errorText(error) : `${reason} (${errorText(error)})`;
}

function errorText(error: ErrorRecord | undefined): string {
  return error === undefined ? "" : `${error.name}: ${error.message}`;
}
