// Options of both ends, checked and complete.
import { type Duration, formatDuration, InvalidInputError, parseDuration } from "../index.ts";
import type { BullmqQueueOptions } from "./contract.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** What is not said otherwise. */
export const defaults = {
  window: 100,
  prefix: "bull",
  keepCompletedMs: hourMs,
  keepFailedMs: 24 * hourMs,
  concurrency: 5,
  leaseMs: 30_000,
  drainMs: 30_000,
} as const;

/** Options of one queue, complete. */
export interface QueueOptions {
  readonly name: string;
  readonly connection: object | string;
  readonly prefix: string;
  readonly window: number;
  readonly keepCompletedMs: number;
  readonly keepFailedMs: number;
  readonly followPause: boolean;
  readonly onError: ((error: unknown) => void) | undefined;
}

/** @throws InvalidInputError naming the option at fault */
export function resolveOptions(name: unknown, options: BullmqQueueOptions): QueueOptions {
  if (typeof name !== "string" || !/^[^:]+$/.test(name))
    fault("name", "must be a BullMQ queue's name, without a colon");
  checkKnown(options, ["connection", "prefix", "window", "keep", "followPause", "onError"], "");
  const { connection, prefix = defaults.prefix, window = defaults.window, keep = {}, followPause = true } = options;
  checkKnown(keep, ["completed", "failed"], "keep");
  const isPlace = (typeof connection === "object" && connection !== null) || typeof connection === "string";
  if (!isPlace) fault("connection", "must be an ioredis client, its options or a URL");
  if (typeof prefix !== "string" || prefix === "") fault("prefix", "must be a text");
  if (typeof followPause !== "boolean") fault("followPause", "must be true or false");
  if (options.onError !== undefined && typeof options.onError !== "function") fault("onError", "must be a function");
  return Object.freeze({
    name,
    connection,
    prefix,
    window: checkCount(window, "window"),
    keepCompletedMs: parseDuration(keep.completed ?? defaults.keepCompletedMs, "keep.completed", { minMs: minuteMs }),
    keepFailedMs: parseDuration(keep.failed ?? defaults.keepFailedMs, "keep.failed", { minMs: minuteMs }),
    followPause,
    onError: options.onError,
  });
}

/** @throws InvalidInputError when BullMQ would forget a job before a crashed deliverer's lease has ended and been taken up */
export function checkKeepOutlasts(leaseMs: number, { keepCompletedMs, keepFailedMs }: QueueOptions): void {
  const [field, keptMs] =
    keepCompletedMs <= keepFailedMs ? ["keep.completed", keepCompletedMs] : ["keep.failed", keepFailedMs];
  if (keptMs >= 2 * leaseMs) return;
  throw new InvalidInputError(
    `${field} is ${formatDuration(keptMs)}, and the worker's lease ${formatDuration(leaseMs)}: BullMQ must keep jobs at least twice as long, else they run again after a crash`,
    { field: `${field}` },
  );
}

/** @throws InvalidInputError */
export function checkCount(value: unknown, field: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  return fault(field, "must be a whole number from 1 to 10,000");
}

/** A time in ms, of the option or by default. @throws InvalidInputError */
export function checkTime(value: Duration | undefined, field: string, byDefaultMs: number, minMs = 0): number {
  return value === undefined ? byDefaultMs : parseDuration(value, field, { minMs });
}

/** @throws InvalidInputError for an option that there is not */
export function checkKnown(options: object, known: readonly string[], field: string): void {
  if (typeof options !== "object" || options === null) fault(field === "" ? "options" : field, "must be an object");
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) fault(stranger, `is not an option; known are ${known.join(", ")}`);
}

function fault(field: string, message: string): never {
  throw new InvalidInputError(`${field} ${message}`, { field });
}
