// A ledger of effects beside the store: one line of JSON per fact, appended at once, so that it survives `kill -9`.
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** What a process of a proof writes down. */
export interface JournalLine {
  /** Milliseconds since 1970, with fractions. */
  readonly at: number;
  readonly pid: number;
  /** `accepted`: the store has acknowledged the job. `started` and `done`: before and after a handler's effect. */
  readonly kind: "ready" | "accepted" | "started" | "done" | "settled" | "lease-lost" | "stopping" | "error";
  readonly job?: string;
  readonly attempt?: number;
  readonly schedule?: string;
  /** Milliseconds since 1970. */
  readonly tick?: number;
  readonly text?: string;
}

/** The wall clock with the fractions that `Date.now()` cuts off. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

export function lineOf(fact: Omit<JournalLine, "at" | "pid">, at = preciseNow()): string {
  return `${JSON.stringify({ at, pid: process.pid, ...fact })}\n`;
}

/** Appends one fact; it is the operating system's when this returns. */
export function writeJournal(path: string, fact: Omit<JournalLine, "at" | "pid">): void {
  appendFileSync(path, lineOf(fact));
}

/** Every whole line; a kill may have cut the last one. */
export function readJournal(path: string): JournalLine[] {
  if (!existsSync(path)) return [];
  const lines: JournalLine[] = [];
  for (const text of readFileSync(path, "utf8").split("\n")) {
    if (text.endsWith("}")) lines.push(JSON.parse(text) as JournalLine);
  }
  return lines;
}
