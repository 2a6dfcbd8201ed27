// Who is told of changes: this process's own at once, other processes' by looking at SQLite's counter of commits.
import type { Signal } from "../../core/signal.ts";
import type { Connection } from "./database.ts";

/** How often other processes' commits are looked for while someone watches, in ms (T6 allows 10). */
const pollMs = 4;

export class Watchers {
  readonly #connection: Connection;
  readonly #watchers = new Set<(signal: Signal) => void>();
  #poll: NodeJS.Timeout | undefined;
  #seenVersion: number | undefined;
  #joined = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add(onSignal: (signal: Signal) => void): void {
    this.#watchers.add(onSignal);
    if (this.#poll !== undefined) return;
    this.#seenVersion = this.#version();
    this.#poll = setInterval(() => this.#look(), pollMs);
    this.#poll.unref();
  }

  remove(onSignal: (signal: Signal) => void): void {
    this.#watchers.delete(onSignal);
    if (this.#watchers.size === 0) this.stop();
  }

  tell(signals: readonly Signal[]): void {
    if (this.#watchers.size === 0) return;
    for (const signal of signals) for (const watcher of this.#watchers) tellOne(watcher, signal);
  }

  /** A user's transaction on this very connection has written: its commit moves no counter, so the next look tells. */
  joined(): void {
    this.#joined = true;
  }

  stop(): void {
    this.#watchers.clear();
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  #look(): void {
    const version = this.#version();
    if (version === undefined || (version === this.#seenVersion && !this.#joined)) return;
    const byOthers = version !== this.#seenVersion;
    this.#seenVersion = version;
    this.#joined = this.#joined && this.#connection.inTransaction === true;
    if (byOthers || !this.#joined) this.tell([{ kind: "changed" }]);
  }

  /** Undefined when it cannot be read just now: the next look is near, and the loops poll anyway. */
  #version(): number | undefined {
    try {
      return this.#connection.get<{ data_version: number }>("-- store.version\nPRAGMA data_version")?.data_version;
    } catch {
      return undefined;
    }
  }
}

function tellOne(watcher: (signal: Signal) => void, signal: Signal): void {
  try {
    watcher(signal);
  } catch {
    // What was written is written: a watcher's own fault must not say otherwise to those who wrote it.
  }
}
