// Loads the modules a user names: the config of the working directory, and files of handlers.

import { existsSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { shown } from "../core/duration.ts";
import { refuseUnknown } from "../core/options.ts";
import { type Handler, InvalidInputError, isPunctualError, NoHandlerError } from "../index.ts";
import type { PunctualConfig } from "./config.ts";
import { checkRoles } from "./options.ts";

/** A config and the file it came from, as people are shown it. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: PunctualConfig;
}

/** The first of these that is there is the config. */
const configFiles = ["punctual.config.ts", "punctual.config.mts", "punctual.config.js", "punctual.config.mjs"];

const configNames = [
  "engine",
  "tasks",
  "handlers",
  "schedules",
  "sources",
  "guardrails",
  "roles",
  "concurrency",
  "queues",
] as const;

/** Loads the config of a folder, if it has one. @throws InvalidInputError naming the file and the setting at fault */
export async function loadConfig(folder: string): Promise<LoadedConfig | undefined> {
  const file = configFiles.find((name) => existsSync(join(folder, name)));
  if (file === undefined) return undefined;
  const exports = await loadModule(join(folder, file), file, file);
  const given = exports["default"] ?? namedSettings(exports, file);
  refuseUnknown(given as object, configNames, file);
  return { file, config: checkConfig(given as Record<string, unknown>, file) };
}

/**
 * Loads a file of handlers: every export that is one, or an array of them, and the same inside a default export.
 * @param field what named the file, for errors
 */
export async function loadHandlers(path: string, field: string, folder: string): Promise<readonly Handler[]> {
  const exports = await loadModule(resolve(folder, path), path, field);
  const found = new Set<Handler>();
  const collect = (value: unknown) => {
    for (const item of Array.isArray(value) ? value : [value]) if (isHandler(item)) found.add(item);
  };
  for (const [name, value] of Object.entries(exports)) {
    collect(value);
    // A CommonJS module is a default export whose members are its exports.
    const nested = name === "default" && typeof value === "object" && value !== null && !isHandler(value);
    if (nested && !Array.isArray(value)) Object.values(value).forEach(collect);
  }
  if (found.size === 0) {
    throw new NoHandlerError(`${path} exports no handler`, { field, mend: "Export what handle(task, fn) returns." });
  }
  return [...found];
}

/** @throws InvalidInputError when two handlers are for the same task: only one of them would ever run. */
export function refuseTwins(handlers: readonly Handler[]): void {
  const seen = new Set<string | undefined>();
  for (const { task } of handlers) {
    if (seen.has(task?.name)) {
      const what = task === undefined ? "two default handlers" : `two handlers for the task ${task.name}`;
      throw new InvalidInputError(`there are ${what}`, { field: "handlers", mend: "Keep one of them." });
    }
    seen.add(task?.name);
  }
}

/** By shape: the handler may come from another copy of the package. */
function isHandler(value: unknown): value is Handler {
  return typeof value === "object" && value !== null && "run" in value && "policy" in value && "task" in value;
}

async function loadModule(path: string, name: string, field: string): Promise<Readonly<Record<string, unknown>>> {
  if (!existsSync(path)) {
    throw new InvalidInputError(`there is no file ${name}`, { field, mend: "Correct the path." });
  }
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (isPunctualError(error)) throw error;
    if (/^\.[cm]?tsx?$/.test(extname(path)) && !readsTypeScript()) {
      throw new InvalidInputError(`Node ${process.version} cannot read TypeScript, which ${name} is`, {
        field,
        mend: "Use Node 22.18 or newer, or compile the file and name the .js that comes of it.",
        cause: error,
      });
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError(`${name} could not be loaded: ${why}`, {
      field,
      mend: "Correct the module; DEBUG=punctual shows where it failed.",
      cause: error,
    });
  }
}

function readsTypeScript(): boolean {
  return Boolean((process.features as { readonly typescript?: unknown }).typescript);
}

function namedSettings(exports: Readonly<Record<string, unknown>>, file: string): Record<string, unknown> {
  const named = Object.fromEntries(configNames.filter((name) => name in exports).map((name) => [name, exports[name]]));
  if (Object.keys(named).length > 0) return named;
  throw new InvalidInputError(`${file} exports none of ${configNames.join(", ")}`, {
    field: file,
    mend: 'Export a config: import { defineConfig } from "punctual/config", then export default defineConfig({ ... }).',
  });
}

function checkConfig(config: Record<string, unknown>, file: string): PunctualConfig {
  const { engine, tasks, handlers, schedules, sources, guardrails, roles, concurrency, queues } = config;
  const expect = (name: string, what: string, fits: boolean) => {
    if (config[name] === undefined || fits) return;
    const field = `${file}: ${name}`;
    throw new InvalidInputError(`${field} must be ${what}, got ${shown(config[name])}`, { field });
  };
  const isEngine = typeof engine === "object" && engine !== null && "jobs" in engine && "open" in engine;
  expect("engine", "a URL or an engine", typeof engine === "string" || isEngine);
  expect("tasks", "a path", typeof tasks === "string");
  expect("handlers", "an array of handlers", Array.isArray(handlers) && handlers.every(isHandler));
  expect("schedules", "an array of schedules", Array.isArray(schedules));
  expect("sources", "an array of sources", Array.isArray(sources));
  expect("guardrails", "an object of limits", typeof guardrails === "object" && guardrails !== null);
  expect("concurrency", "a whole number from 1 to 10,000", isConcurrency(concurrency));
  expect("queues", "an array of names", Array.isArray(queues) && queues.every((name) => typeof name === "string"));
  expect("roles", "an array of roles", Array.isArray(roles));
  if (roles !== undefined) checkRoles(roles as readonly string[], `${file}: roles`);
  return config as PunctualConfig;
}

function isConcurrency(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 10_000;
}
