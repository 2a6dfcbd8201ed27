// What a stream must be like to hold a store: nothing in it may go by itself, and several messages can be written as one.
import type { StreamConfig } from "@nats-io/jetstream";
import { StoreUnsafeError } from "../../core/errors.ts";

/** Marks the streams that were made by Punctual, and with which layout. */
export const ourMetadata: Readonly<Record<string, string>> = { "punctual.stream": "1" };

export function isOurs({ metadata }: Pick<StreamConfig, "metadata">): boolean {
  return metadata?.["punctual.stream"] !== undefined;
}

/** Whether one of a stream's subjects, which may have wildcards, takes a subject. */
export function covers(patterns: readonly string[], subject: string): boolean {
  const words = subject.split(".");
  return patterns.some((pattern) => {
    const parts = pattern.split(".");
    const open = parts.at(-1) === ">";
    if (open ? words.length < parts.length : words.length !== parts.length) return false;
    return parts.every((part, at) => part === "*" || part === words[at] || (open && at === parts.length - 1));
  });
}

interface Fault {
  readonly field: string;
  /** What it does to the store. */
  readonly what: string;
  readonly mend: string;
}

/** Not all settings can be changed later; and a subject belongs to one stream. */
const another =
  "Give the store a stream and a prefix of its own: nats(url, { stream, prefix }). The stream is made for it.";

/** @throws StoreUnsafeError naming the first setting that would lose jobs, or keep the engine from working */
export function checkStream(config: StreamConfig): void {
  const fault = faultOf(config);
  if (fault === undefined) return;
  throw new StoreUnsafeError(`stream ${config.name}: ${fault.what}`, { field: fault.field, mend: fault.mend });
}

function faultOf(config: StreamConfig): Fault | undefined {
  const { name } = config;
  const edit = (change: string) => `nats stream edit ${name} ${change}. Or: ${another}`;
  if (config.retention !== "limits") {
    return { field: "retention", what: `its retention is ${config.retention}: what is read is removed`, mend: another };
  }
  if (config.mirror !== undefined) return { field: "mirror", what: "it is a mirror and takes nothing", mend: another };
  if (config.sealed === true) return { field: "sealed", what: "it is sealed and takes nothing more", mend: another };
  if (config.no_ack === true) return { field: "no_ack", what: "it acknowledges nothing (no_ack)", mend: another };
  if (config.deny_purge === true) {
    return { field: "deny_purge", what: "it forbids purging: the journal could not be cleaned", mend: another };
  }
  if (config.subject_transform !== undefined) {
    return { field: "subject_transform", what: "it renames the subjects of what it takes", mend: another };
  }
  if (config.max_age > 0) {
    return { field: "max_age", what: "it removes messages by their age (max_age)", mend: edit("--max-age=0s") };
  }
  if (config.max_msgs_per_subject > 0) {
    const what = `it keeps ${config.max_msgs_per_subject} messages of a subject only (max_msgs_per_subject)`;
    return { field: "max_msgs_per_subject", what, mend: edit("--max-msgs-per-subject=-1") };
  }
  return droppingFault(config, edit) ?? atomicFault(config);
}

/** Limits are no harm where new messages are refused at them. */
function droppingFault(config: StreamConfig, edit: (change: string) => string): Fault | undefined {
  if (config.discard === "new") return undefined;
  for (const field of ["max_msgs", "max_bytes"] as const) {
    if (!(config[field] > 0)) continue;
    const what = `at its limit (${field}) it removes the oldest messages, and jobs with them`;
    return { field, what, mend: edit("--discard=new") };
  }
  return undefined;
}

function atomicFault({ name, allow_atomic: allows }: StreamConfig): Fault | undefined {
  if (allows === true) return undefined;
  const what = "it takes no batches that are written all or not at all (allow_atomic)";
  return { field: "allow_atomic", what, mend: `nats stream edit ${name} --allow-batch. Or: ${another}` };
}
