// `punctual serve`: a worker, a ticker and a janitor until a signal asks it to stop.

import { type Command, Option } from "commander";
import { createScheduler, defaults, type Handler, InvalidInputError, NoHandlerError, parseDuration } from "../index.ts";
import { loadConfig, refuseTwins } from "./load.ts";
import { checkRoles, type GlobalOptions, names, optionalWholeNumber, present } from "./options.ts";
import { report } from "./report.ts";
import { chooseEngine, chooseHandlers, closing, renamed } from "./session.ts";
import { stopSignal } from "./stop-signal.ts";

interface Options extends GlobalOptions {
  readonly tasks?: string;
  readonly roles?: string;
  readonly concurrency?: string;
  readonly queues?: string;
  readonly drain?: string;
  readonly quiet?: boolean;
}

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("run jobs, fire ticks and purge, until a signal asks to stop")
    .option("--tasks <FILE>", "a module that exports handlers")
    .option("--roles <ROLES>", "worker, ticker, janitor divided by commas (default: all)")
    .option("--concurrency <COUNT>", `jobs run at once (default: ${defaults.concurrency})`)
    .option("--queues <NAMES>", "only these queues, divided by commas; those of the tasks by default")
    .option("--drain <DURATION>", "how long running jobs may take to finish after a signal (default: 30s)")
    .addOption(new Option("--quiet", "print no line per job and tick"))
    .action((_: unknown, command: Command) => serve(command.optsWithGlobals<Options>()));
}

async function serve(options: Options): Promise<void> {
  const stop = stopSignal();
  if (options.tenant !== undefined) {
    throw new InvalidInputError("--tenant does not apply: a worker serves every tenant", { field: "--tenant" });
  }
  const drainMs = parseDuration(options.drain ?? defaults.drainMs, "--drain");
  const loaded = await loadConfig(process.cwd());
  const config = loaded?.config ?? {};
  const roles =
    options.roles === undefined
      ? (config.roles ?? ["worker", "ticker", "janitor"])
      : checkRoles(names(options.roles, "--roles"), "--roles");
  const { handlers, file } = await chooseHandlers(options.tasks, loaded);
  refuseTwins(handlers);
  if (roles.includes("worker") && handlers.length === 0) throw nothingToRun();
  const queues = options.queues === undefined ? config.queues : names(options.queues, "--queues");
  const concurrency = optionalWholeNumber(options.concurrency, "--concurrency") ?? config.concurrency;
  const { engine, shown, source } = await chooseEngine(options, loaded);
  const schedules = config.schedules ?? [];
  const scheduler = createWith(present({ concurrency, queues }));
  const reporter = report(scheduler, options);
  reporter.setup({
    engine: { shown, source },
    config: loaded?.file,
    roles,
    tasks: handlers.map((handler) => handler.task?.name ?? "*"),
    tasksFile: file,
    queues: queuesOf(handlers, queues),
    concurrency: concurrency ?? defaults.concurrency,
    schedules: schedules.length,
    sources: roles.includes("ticker") ? (config.sources ?? []).map(({ name }) => name) : [],
  });
  await closing(scheduler, async () => {
    try {
      await scheduler.schedules.ensureMany(schedules);
    } catch (error) {
      throw renamed(error, ["items"], `${loaded?.file}: schedules`);
    }
    await scheduler.start({ roles });
    reporter.ready();
    reporter.stopping(await stop, drainMs);
    await scheduler.stop({ timeout: drainMs });
  });
  reporter.stopped();

  function createWith(worker: { readonly concurrency?: number; readonly queues?: readonly string[] }) {
    try {
      const { sources, guardrails } = config;
      return createScheduler({ engine, handlers, worker, ...present({ sources, guardrails }) });
    } catch (error) {
      const own = renamed(
        renamed(error, ["sources"], `${loaded?.file}: sources`),
        ["guardrails"],
        `${loaded?.file}: guardrails`,
      );
      const named = renamed(own, ["worker.concurrency"], "--concurrency");
      throw renamed(named, ["worker.queues"], options.queues === undefined ? `${loaded?.file}: queues` : "--queues");
    }
  }
}

function queuesOf(handlers: readonly Handler[], only: readonly string[] | undefined): readonly string[] {
  const takesAny = handlers.some(({ task }) => task === undefined);
  return only ?? (takesAny ? ["*"] : [...new Set(handlers.map(({ policy }) => policy.queue))]);
}

function nothingToRun(): NoHandlerError {
  return new NoHandlerError("the worker has no tasks to run", {
    field: "--tasks",
    mend: "Name a module of handlers with --tasks or in punctual.config.ts, or serve with --roles ticker,janitor.",
  });
}
