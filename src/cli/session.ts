// A command's scheduler: which store, why that one, and that it is closed again.

import { chooseUrl, connect, redactUrl } from "../connect.ts";
import {
  createScheduler,
  type Engine,
  type Handler,
  isPunctualError,
  PunctualError,
  type Scheduler,
} from "../index.ts";
import { type LoadedConfig, loadConfig, loadHandlers } from "./load.ts";
import type { GlobalOptions } from "./options.ts";

/** A store, as it is shown to people, and what chose it. */
export interface ChosenEngine {
  readonly engine: Engine;
  /** Its URL without secrets, or its name when the config made it. */
  readonly shown: string;
  readonly source: string;
}

/** Who a command acts as, in the audit log. */
export const actor = "cli";

/** `--engine`, else the config's engine, else the environment, else the default file. */
export async function chooseEngine(
  options: GlobalOptions,
  loaded: LoadedConfig | undefined,
  mustExist = false,
): Promise<ChosenEngine> {
  const configured = loaded?.config.engine;
  if (options.engine === undefined && typeof configured === "object") {
    return { engine: configured, shown: configured.name, source: loaded?.file ?? "" };
  }
  const given = options.engine ?? (typeof configured === "string" ? configured : undefined);
  const named = options.engine === undefined ? (loaded?.file ?? "") : "--engine";
  try {
    const { url, source } = chooseUrl(process.env, given);
    const engine = await connect(url, { mustExist });
    return { engine, shown: redactUrl(url), source: source === "argument" ? named : source };
  } catch (error) {
    throw renamed(error, ["url", "location"], given === undefined ? chooseUrl(process.env).source : named);
  }
}

/** The handlers that the config and `--tasks` name, and the file they came from. */
export async function chooseHandlers(
  tasks: string | undefined,
  loaded: LoadedConfig | undefined,
): Promise<{ readonly handlers: readonly Handler[]; readonly file?: string }> {
  const own = loaded?.config.handlers ?? [];
  const file = tasks ?? loaded?.config.tasks;
  if (file === undefined) return { handlers: own };
  const field = tasks === undefined ? `${loaded?.file}: tasks` : "--tasks";
  return { handlers: [...own, ...(await loadHandlers(file, field, process.cwd()))], file };
}

/** Runs one command against the store, which must be there already, and closes it. */
export async function withScheduler<T>(options: GlobalOptions, use: (scheduler: Scheduler) => Promise<T>): Promise<T> {
  // With --engine the config has nothing to say to a command of this kind.
  const loaded = options.engine === undefined ? await loadConfig(process.cwd()) : undefined;
  const { engine } = await chooseEngine(options, loaded, true);
  return await closing(createScheduler({ engine }), use);
}

/** Uses a scheduler and stops it, whatever happens. */
export async function closing<T>(scheduler: Scheduler, use: (scheduler: Scheduler) => Promise<T>): Promise<T> {
  try {
    return await use(scheduler);
  } finally {
    await scheduler.stop();
  }
}

/** A Punctual error whose field is one of `from`, with the name that the user knows it by. */
export function renamed(error: unknown, from: readonly string[], to: string): unknown {
  if (!isPunctualError(error) || error.field === undefined) return error;
  const name = from.find(
    (each) =>
      error.field === each || (/^[[.]/.test(error.field?.slice(each.length) ?? "") && error.field?.startsWith(each)),
  );
  if (name === undefined) return error;
  const field = to + error.field.slice(name.length);
  const { code, mend, details } = error;
  const message = error.message.startsWith(error.field)
    ? field + error.message.slice(error.field.length)
    : error.message;
  return new PunctualError(code, message, { field, mend, cause: error, ...(details === undefined ? {} : { details }) });
}
