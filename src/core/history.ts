// What an engine keeps of what has happened: finished jobs by count, the audit log by age and by how much it records.
// Options of every engine, resolved once.
import { defaults } from "./defaults.ts";
import { type Duration, parseDuration, shown } from "./duration.ts";
import type { RetentionCounts } from "./engine.ts";
import { InvalidInputError } from "./errors.ts";
import type { Audit } from "./events.ts";
import { refuseUnknown } from "./options.ts";

/** How long an engine keeps what is over. */
export interface RetentionOptions extends Partial<RetentionCounts> {
  /** The audit log's age; 30 days by default, one day on NATS, 0 writes none. */
  readonly events?: Duration;
}

/** Options of every engine. */
export interface HistoryOptions {
  /** Finished jobs kept per queue, 100 completed and 1,000 failed or cancelled by default; events kept 30 days, on NATS one. */
  readonly retention?: RetentionOptions;
  /** "changes" (default), or "all": every transition of every job is recorded too, at the price of one more write each. */
  readonly audit?: Audit;
}

/** The same, complete. */
export interface History extends RetentionCounts {
  readonly eventAgeMsMax: number;
  readonly auditsAll: boolean;
}

/** @throws InvalidInputError naming the option at fault */
export function resolveHistory({ retention = {}, audit = "changes" }: HistoryOptions): History {
  refuseUnknown(retention, ["completedCountMax", "endedCountMax", "events"], "retention");
  if (audit !== "changes" && audit !== "all") {
    throw new InvalidInputError(`audit must be "changes" or "all", got ${shown(audit)}`, { field: "audit" });
  }
  return {
    completedCountMax: checkCount(retention, "completedCountMax"),
    endedCountMax: checkCount(retention, "endedCountMax"),
    eventAgeMsMax: parseDuration(retention.events ?? defaults.eventAgeMsMax, "retention.events"),
    auditsAll: audit === "all",
  };
}

function checkCount(retention: RetentionOptions, name: keyof RetentionCounts): number {
  const count = retention[name] ?? defaults[name];
  if (Number.isInteger(count) && count >= 0) return count;
  const field = `retention.${name}`;
  throw new InvalidInputError(`${field} must be a whole number of 0 or more, got ${shown(count)}`, { field });
}
