// Keeps what failed while no caller was waiting, and writes it to the audit log once the store takes it again (O1).
import { defaults } from "../core/defaults.ts";
import type { NewEvent } from "../core/events.ts";
import type { ErrorRecord } from "../core/job.ts";
import { describeError } from "../core/settling.ts";
import type { Cancel, RuntimeClock } from "./clock.ts";

/** Errors alike are one entry: the first and last time, and how often. */
interface Entry {
  readonly where: string;
  readonly message: string;
  readonly from: number;
  to: number;
  count: number;
}

/** Different errors kept at once; those beyond are only counted in the ones there are. */
const entriesMax = 100;

export class ErrorLog {
  readonly #clock: RuntimeClock;
  readonly #append: (events: readonly NewEvent[]) => Promise<void>;
  readonly #redact: ((error: ErrorRecord) => ErrorRecord) | undefined;
  #entries = new Map<string, Entry>();
  #cancel: Cancel | undefined;
  #stopped = false;

  /** @param redact sees each error before it is kept, as it sees those of attempts */
  constructor(
    clock: RuntimeClock,
    append: (events: readonly NewEvent[]) => Promise<void>,
    redact: ((error: ErrorRecord) => ErrorRecord) | undefined,
  ) {
    this.#clock = clock;
    this.#append = append;
    this.#redact = redact;
  }

  /** Writes again after a stop. */
  start(): void {
    this.#stopped = false;
  }

  note(error: unknown, where: string, now: number): void {
    const { message } = describeError(error, this.#redact);
    const key = `${where}\n${message}`;
    const at = Math.round(now);
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.count++;
      entry.to = at;
    } else if (this.#entries.size < entriesMax) this.#entries.set(key, { where, message, from: at, to: at, count: 1 });
    this.#flushIn(defaults.backoffMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #flushIn(ms: number): void {
    if (this.#stopped) return;
    this.#cancel ??= this.#clock.after(ms, () => this.#flush(ms), true);
  }

  #flush(waitedMs: number): void {
    const entries = this.#entries;
    this.#entries = new Map();
    const events = [...entries.values()].map(({ where, message, from, to, count }): NewEvent => {
      const data = { where, message: message.slice(0, defaults.messageCharsMax), from, count };
      return { type: "worker:error", tenant: defaults.tenant, at: to, data };
    });
    this.#append(events)
      .then(() => {
        this.#cancel = undefined;
        if (this.#entries.size > 0) this.#flushIn(defaults.backoffMs);
      })
      .catch(() => {
        // Still away: what has come since joins what is kept.
        for (const [key, entry] of this.#entries) {
          const kept = entries.get(key);
          if (kept === undefined) entries.set(key, entry);
          else Object.assign(kept, { to: entry.to, count: kept.count + entry.count });
        }
        this.#entries = entries;
        this.#cancel = undefined;
        this.#flushIn(Math.min(waitedMs * 2, defaults.backoffMsMax));
      });
  }
}
