// The options of the NATS engine, checked before anything is connected. Those of the weedbox scheduler are all taken; the ones
// without a meaning here are checked and do nothing.
import type { Clock } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import { type Duration, parseDuration, shown } from "../../core/duration.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { type History, type HistoryOptions, resolveHistory } from "../../core/history.ts";
import { checkFlag, refuseUnknown } from "../../core/options.ts";
import { type AccessOptions, accessNames, checkAccess } from "./access.ts";
import { checkLocation, type Location } from "./location.ts";

/** Options of the weedbox scheduler's `[scheduler.nats]`, by its names. A duration may be a text such as "30s". */
export interface WeedboxOptions {
  /** Another name of `stream`. */
  readonly streamName?: string;
  /** Another name of `prefix`. */
  readonly subjectPrefix?: string;
  /** How long opening waits for a connection; 30 s by default. A server that refuses is told at once. */
  readonly startPhaseTimeout?: Duration;
  /** How long opening waits for JetStream, which a cluster elects a leader for; 30 s by default. */
  readonly jetStreamReadyTimeout?: Duration;
  /** How long opening waits for the stream and its leader; 30 s by default. */
  readonly startupStreamReadyTimeout?: Duration;
  /** How long one call is tried while the stream elects a leader or the connection is made anew; 15 s by default. */
  readonly addJobRetryBudget?: Duration;
  /** Without effect: a call is tried for as long as `addJobRetryBudget` says. */
  readonly publishRetry?: { readonly attempts?: number; readonly initialBackoff?: Duration };
  /** Without effect: there are no consumers. */
  readonly consumerName?: string;
  /** Without effect: there are no buckets. */
  readonly jobBucket?: string;
  /** Without effect, as `jobBucket`. */
  readonly execBucket?: string;
  /** Without effect: nothing is written twice, whatever the window. */
  readonly duplicatesWindow?: Duration;
  /** Without effect: no tick is lost that a reconciler would find. */
  readonly reconcilerInterval?: Duration;
  /** Without effect, as `reconcilerInterval`. */
  readonly reconcilerGracePeriod?: Duration;
  /** Without effect: the journal is read as one. */
  readonly loadJobsConcurrency?: number;
  /** Without effect: opening publishes nothing in the background. */
  readonly loadJobsAsyncPublishTimeout?: Duration;
  /** Without effect: the stream is made without a lock. */
  readonly onceKey?: string;
}

/** Options of the NATS engine. */
export interface NatsOptions extends HistoryOptions, AccessOptions, WeedboxOptions {
  /** For tests: stands for the server's clock. */
  readonly clock?: Clock;
  /** The stream; "SCHEDULER" by default. It is made when there is none of this name; one that takes the subject is used. */
  readonly stream?: string;
  /** The subject is `<prefix>.journal`: stores in one account are told apart by it. "scheduler" by default. */
  readonly prefix?: string;
  /** Copies of the stream in a cluster, 1 to 5, when it is made here; 1 by default. 3 survive the loss of a server. */
  readonly replicas?: 1 | 2 | 3 | 4 | 5;
  /** Where the stream is kept when it is made here: "file" by default; "memory" is lost with the server. */
  readonly storage?: "file" | "memory";
  /** The domain of the JetStream that holds the stream, where it is not the server's own: from a leaf node, the hub's. */
  readonly domain?: string;
  /** Refuses to make a store where there is none; false by default. */
  readonly mustExist?: boolean;
  /** A journal of fewer bytes is not cleaned of what has been overwritten; 16 MiB by default. */
  readonly cleanFromBytes?: number;
  /**
   * Old messages are purged so long after the last of their rows was written anew: longer than the server may keep that from
   * its disk (`sync_interval`). 3 minutes by default; 0 suits a server with `sync_interval: always`.
   */
  readonly purgeAfter?: Duration;
  /**
   * Whether opening applies what the store's format lacks; true by default. With false a store that lacks some is refused
   * (STORE_OUTDATED) until `punctual migrate` has been run.
   */
  readonly migrate?: boolean;
}

/** How long opening waits for each of its parts, in ms. */
export interface StartupTimes {
  readonly connectMs: number;
  readonly jetStreamMs: number;
  readonly streamMs: number;
}

/** The options, complete. */
export interface Settings {
  readonly location: Location;
  readonly clock: Clock | undefined;
  readonly history: History;
  readonly stream: string;
  readonly prefix: string;
  readonly replicas: number;
  readonly storage: "file" | "memory";
  readonly mustExist: boolean;
  readonly migrate: boolean;
  readonly access: AccessOptions;
  readonly domain: string | undefined;
  readonly startup: StartupTimes;
  /** One call is tried for so long. */
  readonly callMs: number;
  readonly cleanFromBytes: number | undefined;
  readonly purgeAfterMs: number;
}

const streamCharsMax = 64;
const prefixCharsMax = 64;
const own = [
  "clock",
  "retention",
  "audit",
  "mustExist",
  "migrate",
  "stream",
  "prefix",
  "replicas",
  "storage",
  "domain",
  "cleanFromBytes",
  "purgeAfter",
] as const;
const durations = ["duplicatesWindow", "reconcilerInterval", "reconcilerGracePeriod", "loadJobsAsyncPublishTimeout"];
const texts = ["consumerName", "jobBucket", "execBucket", "onceKey"];
const weedbox = [
  "streamName",
  "subjectPrefix",
  "startPhaseTimeout",
  "jetStreamReadyTimeout",
  "startupStreamReadyTimeout",
  "publishRetry",
  "addJobRetryBudget",
  "loadJobsConcurrency",
  ...durations,
  ...texts,
];

/** @throws InvalidInputError naming the option at fault */
export function checkOptions(location: Location, options: NatsOptions): Settings {
  refuseUnknown(options, [...own, ...accessNames, ...weedbox], "");
  checkUnused(options);
  checkCount(options.cleanFromBytes, "cleanFromBytes");
  const { storage = "file", replicas = 1 } = options;
  if (storage !== "file" && storage !== "memory") {
    throw new InvalidInputError(`storage must be "file" or "memory", got ${shown(storage)}`, { field: "storage" });
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 5) {
    throw new InvalidInputError(`replicas must be 1 to 5, got ${shown(replicas)}`, { field: "replicas" });
  }
  const access = checkAccess(options);
  checkLocation(location, access);
  return {
    location,
    clock: options.clock,
    history: resolveHistory({ ...options, retention: { events: defaults.nats.eventAgeMsMax, ...options.retention } }),
    stream: streamOf(options),
    prefix: prefixOf(options),
    replicas,
    storage,
    mustExist: checkFlag(options.mustExist, "mustExist") ?? false,
    migrate: checkFlag(options.migrate, "migrate") ?? true,
    access,
    domain: domainOf(options.domain),
    startup: startupOf(options),
    callMs: parseDuration(options.addJobRetryBudget ?? defaults.nats.callBudgetMs, "addJobRetryBudget", { minMs: 1 }),
    cleanFromBytes: options.cleanFromBytes,
    purgeAfterMs: parseDuration(options.purgeAfter ?? defaults.nats.purgeAfterMs, "purgeAfter"),
  };
}

function streamOf(options: NatsOptions): string {
  const [value, field] = oneOf(options, "stream", "streamName");
  const name = value ?? defaults.nats.stream;
  const isName = typeof name === "string" && /^[^\s.*>/\\]+$/.test(name) && name.length <= streamCharsMax;
  if (isName && isPrintable(name)) return name;
  throw new InvalidInputError(
    `${field} must be a text of 1 to ${streamCharsMax} characters without spaces, dots, *, >, / or \\, got ${shown(value)}`,
    { field },
  );
}

function prefixOf(options: NatsOptions): string {
  const [value, field] = oneOf(options, "prefix", "subjectPrefix");
  const prefix = value ?? defaults.nats.prefix;
  // What begins with $ is the server's.
  const isSubject = typeof prefix === "string" && /^(?!\$)[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(prefix);
  if (isSubject && prefix.length <= prefixCharsMax && isPrintable(prefix)) return prefix;
  throw new InvalidInputError(
    `${field} must be a subject of 1 to ${prefixCharsMax} characters: words with dots between them, without spaces, * or >, got ${shown(value)}`,
    { field },
  );
}

function domainOf(domain: unknown): string | undefined {
  if (domain === undefined || (typeof domain === "string" && /^[^\s.*>$]+$/.test(domain))) return domain;
  throw new InvalidInputError(`domain must be a word without spaces, dots, * or >, got ${shown(domain)}`, {
    field: "domain",
  });
}

function isPrintable(text: string): boolean {
  return !/[^\x21-\x7e]/.test(text);
}

/** An option that has two names, and the one that was used. */
function oneOf(
  options: NatsOptions,
  name: "stream" | "prefix",
  other: "streamName" | "subjectPrefix",
): readonly [value: unknown, field: string] {
  if (options[other] === undefined) return [options[name], name];
  if (options[name] === undefined) return [options[other], other];
  throw new InvalidInputError(`${other} is another name of ${name}: give one of them`, { field: other });
}

function startupOf(options: NatsOptions): StartupTimes {
  const of = (name: "startPhaseTimeout" | "jetStreamReadyTimeout" | "startupStreamReadyTimeout") =>
    parseDuration(options[name] ?? defaults.nats.startupMs, name, { minMs: 1 });
  return {
    connectMs: of("startPhaseTimeout"),
    jetStreamMs: of("jetStreamReadyTimeout"),
    streamMs: of("startupStreamReadyTimeout"),
  };
}

/** What has no effect is checked all the same: a slip in it would be one somewhere else too. */
function checkUnused(options: NatsOptions): void {
  const values = options as Readonly<Record<string, unknown>>;
  for (const field of durations) if (values[field] !== undefined) parseDuration(values[field], field);
  for (const field of texts) {
    const value = values[field];
    if (value === undefined || (typeof value === "string" && value !== "")) continue;
    throw new InvalidInputError(`${field} must be a text, got ${shown(value)}`, { field });
  }
  checkCount(options.loadJobsConcurrency, "loadJobsConcurrency");
  const { publishRetry = {} } = options;
  refuseUnknown(publishRetry, ["attempts", "initialBackoff"], "publishRetry");
  checkCount(publishRetry.attempts, "publishRetry.attempts");
  if (publishRetry.initialBackoff !== undefined)
    parseDuration(publishRetry.initialBackoff, "publishRetry.initialBackoff");
}

function checkCount(value: unknown, field: string): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= 1)) return;
  throw new InvalidInputError(`${field} must be a whole number of 1 or more, got ${shown(value)}`, { field });
}
