// Notices to other processes: signals as the text of a NOTIFY, and when they are sent. A NOTIFY takes a lock on the whole
// database at its commit, so those of one queue are gathered, and never more than one statement is on its way.
import { createHash } from "node:crypto";
import { defaults } from "../../core/defaults.ts";
import type { Signal } from "../../core/signal.ts";
import type { Session } from "./connections.ts";

/** What a server takes as one payload, in bytes, with some to spare. */
const payloadBytesMax = 7_900;

/** More payloads than these at once say as little as "look at everything". */
const payloadsMax = 8;

/** What a server takes as a name, in bytes. */
const nameBytesMax = 63;

// Nobody was promised that a notice survives a crash: its commit, and so its lock, need not wait for the disk.
const notifyStatement = `-- signals.notify
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS setting)
SELECT pg_notify($1::text, payload) AS told FROM relaxed, json_array_elements_text($2::text::json) AS payload`;

// Inside a caller's transaction, whose durability is the caller's choice.
const notifyJoinedStatement = `-- signals.notifyJoined
SELECT pg_notify($1::text, payload) AS told FROM json_array_elements_text($2::text::json) AS payload`;

/** The channel of a schema: its processes hear each other and nobody else. */
export function channelOf(schema: string): string {
  const name = `punctual_${schema}`;
  if (Buffer.byteLength(name) <= nameBytesMax - channelSuffixBytes) return name;
  return `punctual_${createHash("sha256").update(schema).digest("hex").slice(0, 24)}`;
}

/** Left free behind a channel's name, for those of single processes. */
const channelSuffixBytes = 20;

/** Sends payloads in a transaction of their own. */
export async function notify(session: Session, channel: string, payloads: readonly string[]): Promise<void> {
  await session.run(notifyStatement, [channel, JSON.stringify(payloads)]);
}

/**
 * Sends signals with the caller's transaction. They ask to look now rather than at an instant, so that all of a queue are
 * one text, which the server sends once however often the transaction says it.
 */
export async function notifyJoined(session: Session, channel: string, signals: readonly Signal[]): Promise<void> {
  const payloads = signals.map((signal) =>
    payloadOf({ signals: ["dueAt" in signal ? { ...signal, dueAt: 0 } : signal] }),
  );
  if (payloads.length > 0) await session.run(notifyJoinedStatement, [channel, JSON.stringify([...new Set(payloads)])]);
}

interface Notice {
  /** Who sent it, where it has heard of it already. */
  readonly from?: string;
  readonly signals: readonly Signal[];
}

// In ASCII, so that a database of any encoding takes it, and characters are bytes.
function payloadOf(notice: Notice): string {
  return JSON.stringify(notice).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Signals as payloads, none longer than a server takes. */
export function payloadsOf(signals: readonly Signal[], from: string): string[] {
  const payloads: string[] = [];
  let rest = [...signals];
  while (rest.length > 0 && payloads.length < payloadsMax) {
    let count = rest.length;
    let payload = payloadOf({ from, signals: rest });
    while (payload.length > payloadBytesMax && count > 1) {
      count = Math.ceil(count / 2);
      payload = payloadOf({ from, signals: rest.slice(0, count) });
    }
    payloads.push(payload);
    rest = rest.slice(count);
  }
  return rest.length === 0 ? payloads : [payloadOf({ from, signals: [{ kind: "changed" }] })];
}

/** What a payload tells; a text that is none of ours asks to look at everything, so that anybody can wake the workers. */
export function readPayload(text: string): Notice {
  try {
    const notice: unknown = JSON.parse(text);
    if (isNotice(notice)) return notice;
  } catch {
    // Not JSON: not ours.
  }
  return { signals: [{ kind: "changed" }] };
}

function isNotice(value: unknown): value is Notice {
  return isObject(value) && Array.isArray(value["signals"]) && value["signals"].every(isSignal);
}

function isSignal(value: unknown): value is Signal {
  if (!isObject(value)) return false;
  const { kind, queue, dueAt, id } = value;
  if (kind === "wake") return typeof queue === "string" && Number.isFinite(dueAt);
  if (kind === "tick") return Number.isFinite(dueAt);
  return kind === "changed" || (kind === "cancel" && typeof id === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** What a signal is about: of two about the same, the earlier one says it all. */
function subjectOf(signal: Signal): string {
  if (signal.kind === "wake") return `wake ${signal.queue}`;
  return signal.kind === "cancel" ? `cancel ${signal.id}` : signal.kind;
}

/** Sends signals to other processes: the first of a queue at once, those that follow closely together, nobody waits. */
export class Notifier {
  readonly #send: (signals: readonly Signal[]) => Promise<void>;
  readonly #waiting = new Map<string, Signal>();
  /** When each subject was last sent, the longest ago first. */
  readonly #sentAt = new Map<string, number>();
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Statements that were sent, and those of them that failed: then others find their work by polling. */
  sent = 0;
  failed = 0;

  constructor(send: (signals: readonly Signal[]) => Promise<void>) {
    this.#send = send;
  }

  add(signals: readonly Signal[]): void {
    for (const signal of signals) {
      const subject = subjectOf(signal);
      const waiting = this.#waiting.get(subject);
      const isLater = waiting !== undefined && "dueAt" in waiting && "dueAt" in signal && waiting.dueAt <= signal.dueAt;
      if (!isLater) this.#waiting.set(subject, signal);
    }
    this.#plan();
  }

  /** Sends what waits; resolves when all is sent. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sending;
    if (this.#waiting.size > 0) this.#flush();
    await this.#sending;
  }

  #plan(): void {
    if (this.#sending !== undefined || this.#waiting.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    const sentAt = [...this.#waiting.keys()].map((subject) => this.#sentAt.get(subject) ?? Number.NEGATIVE_INFINITY);
    const waitMs = Math.min(...sentAt) + defaults.postgres.notifyEveryMs - now;
    if (waitMs <= 0) this.#flush();
    else this.#timer = setTimeout(() => this.#plan(), Math.ceil(waitMs));
  }

  /** What goes anyway takes all along that waits. */
  #flush(): void {
    const signals = [...this.#waiting.values()];
    const now = performance.now();
    for (const subject of this.#waiting.keys()) {
      this.#sentAt.delete(subject);
      this.#sentAt.set(subject, now);
    }
    this.#waiting.clear();
    this.#forgetOld(now);
    this.sent++;
    this.#sending = this.#send(signals)
      .catch(() => {
        this.failed++;
      })
      .finally(() => {
        this.#sending = undefined;
        this.#plan();
      });
  }

  #forgetOld(now: number): void {
    for (const [subject, at] of this.#sentAt) {
      if (at > now - defaults.postgres.notifyEveryMs) return;
      this.#sentAt.delete(subject);
    }
  }
}
