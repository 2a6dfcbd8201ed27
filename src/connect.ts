// From a URL to an engine: the only place that names engines, each loaded when it is asked for.
import { existsSync } from "node:fs";
import type { Clock } from "./core/clock.ts";
import { shown } from "./core/duration.ts";
import type { Engine } from "./core/engine.ts";
import { EngineNotConfiguredError, InvalidInputError } from "./core/errors.ts";
import type { HistoryOptions } from "./core/history.ts";
import { refuseUnknown } from "./core/options.ts";

/** Options of `connect`; those that the engine itself takes are handed on. */
export interface ConnectOptions extends HistoryOptions {
  /** The store's clock, for engines without a server of their own. */
  readonly clock?: Clock;
  /** Refuses to create a store that is not there yet; false by default. */
  readonly mustExist?: boolean;
  /** Whether opening applies what the store's schema lacks; true by default. */
  readonly migrate?: boolean;
}

/** A URL and why it was chosen. */
export interface ChosenUrl {
  readonly url: string;
  /** `argument`, the environment variable's name, or `default`. */
  readonly source: "argument" | UrlVariable | "default";
}

type UrlVariable = (typeof urlVariables)[number];

/** Looked at in this order when no URL is given. */
const urlVariables = ["PUNCTUAL_URL", "DATABASE_URL", "NATS_URL", "REDIS_URL"] as const;

/** Where everything is stored when nobody says otherwise. */
const defaultUrl = "sqlite:./punctual.db";

interface EngineEntry {
  readonly name: string;
  readonly schemes: readonly string[];
  /** How its URL is written, for messages. */
  readonly example: string;
  readonly open: (url: string, options: ConnectOptions) => Promise<Engine>;
}

const engines: readonly EngineEntry[] = [
  { name: "memory", schemes: ["memory"], example: "memory:", open: openMemory },
  { name: "sqlite", schemes: ["sqlite"], example: defaultUrl, open: openSqlite },
  { name: "postgres", schemes: ["postgres", "postgresql"], example: "postgres://host/database", open: openPostgres },
  { name: "redis", schemes: ["redis", "rediss", "valkey"], example: "redis://host", open: openRedis },
  { name: "nats", schemes: ["nats", "tls"], example: "nats://host", open: openNats },
];

/**
 * The engine of a URL, not yet opened. Without one: PUNCTUAL_URL, DATABASE_URL, NATS_URL, REDIS_URL, else
 * `sqlite:./punctual.db`. `Tx` is the engine's transaction, for a caller who knows which engine it will be.
 * @throws InvalidInputError, EngineNotConfiguredError
 */
export async function connect<Tx = never>(url?: string, options: ConnectOptions = {}): Promise<Engine<Tx>> {
  refuseUnknown(options, ["clock", "retention", "audit", "mustExist", "migrate"], "");
  const chosen = chooseUrl(process.env, url);
  const scheme = schemeOf(chosen.url);
  const entry = engines.find(({ schemes }) => schemes.includes(scheme));
  const field = chosen.source === "argument" ? "url" : chosen.source;
  if (entry === undefined) throw notConfigured(chosen.url, field);
  return (await entry.open(chosen.url, options)) as Engine<Tx>;
}

/**
 * Which URL is used, and why: the one given, else the first environment variable that is set, else the default.
 * @throws InvalidInputError when the URL given is not a text or empty
 */
export function chooseUrl(env: Readonly<Record<string, string | undefined>>, explicit?: string): ChosenUrl {
  if (explicit !== undefined) {
    if (typeof explicit === "string" && explicit.trim() !== "") return { url: explicit, source: "argument" };
    throw new InvalidInputError(`url must be a URL such as "${defaultUrl}", got ${shown(explicit)}`, { field: "url" });
  }
  for (const source of urlVariables) {
    const url = env[source];
    if (url !== undefined && url.trim() !== "") return { url, source };
  }
  return { url: defaultUrl, source: "default" };
}

/** A URL fit to be shown: without its password, token or secret parameters. */
export function redactUrl(url: string): string {
  if (schemeOf(url) === "sqlite") return url;
  const [start] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?/i.exec(url) ?? [""];
  const rest = url.slice(start.length).replace(secretParameters, "$1***");
  // Up to the last "@": a password may hold any character, and hiding too much does no harm.
  const end = rest.lastIndexOf("@");
  if (end === -1) return start + rest;
  const colon = rest.indexOf(":");
  // What stands alone is a name, but for NATS, where it is a token.
  const isNats = /^(?:nats|tls):/i.test(start);
  if (colon === -1 || colon > end) return isNats ? `${start}***${rest.slice(end)}` : start + rest;
  return `${start}${rest.slice(0, colon)}:***${rest.slice(end)}`;
}

const secretParameters = /([?&][^=&#]*(?:pass|pwd|token|secret|key|auth|cred)[^=&#]*=)[^&#]*/gi;

/** The scheme in lower case; a path to a database file counts as sqlite. */
function schemeOf(url: string): string {
  // Two letters at least: a single one is a Windows drive.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined) return scheme;
  return /\.(?:db|sqlite|sqlite3)$/i.test(url) ? "sqlite" : "";
}

function notConfigured(url: string, field: string): EngineNotConfiguredError {
  const names = engines.map(({ name }) => name).join(", ");
  const examples = engines.map(({ example }) => example).join(" or ");
  const message = `no engine takes the URL ${shown(redactUrl(url))}; the engines of this version are ${names}`;
  const unset = (urlVariables as readonly string[]).includes(field) && field !== "PUNCTUAL_URL";
  return new EngineNotConfiguredError(message, {
    field,
    mend: `Use a URL such as ${examples}${unset ? `, in PUNCTUAL_URL if ${field} is meant for another program` : ""}.`,
  });
}

async function openMemory(url: string, { mustExist: _, migrate: __, ...options }: ConnectOptions): Promise<Engine> {
  if (!/^memory:(?:\/\/)?$/i.test(url)) {
    throw new InvalidInputError(`url must be just "memory:" for the memory engine, got ${shown(redactUrl(url))}`, {
      field: "url",
    });
  }
  const { memory } = await import("./engines/memory/index.ts");
  return memory(options);
}

async function openPostgres(url: string, options: ConnectOptions): Promise<Engine> {
  const { postgres } = await import("./engines/postgres/index.ts");
  return postgres(url, options) as Engine<never>;
}

async function openRedis(url: string, options: ConnectOptions): Promise<Engine> {
  const { redis } = await import("./engines/redis/index.ts");
  return redis(url, options);
}

async function openNats(url: string, options: ConnectOptions): Promise<Engine> {
  const { nats } = await import("./engines/nats/index.ts");
  return nats(url, options);
}

async function openSqlite(url: string, options: ConnectOptions): Promise<Engine> {
  const path = url.replace(/^sqlite:(?:\/\/(?=.))?/i, "");
  if (/[?#]/.test(path)) {
    throw new InvalidInputError(`url must be sqlite: and a path without parameters, got ${shown(redactUrl(url))}`, {
      field: "url",
      mend: "Options of the engine are given in code: sqlite(path, options).",
    });
  }
  if (options.mustExist === true && path !== "" && path !== ":memory:" && !existsSync(path)) {
    throw new EngineNotConfiguredError(`there is no store at ${path}`, {
      field: "url",
      mend: "Name the store's file, or let `punctual serve` or `punctual enqueue` create it.",
    });
  }
  const { sqlite } = await import("./engines/sqlite/index.ts");
  return sqlite(path, options);
}
