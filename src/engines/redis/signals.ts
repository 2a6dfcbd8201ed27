// Who is told of what was written. Scripts publish signals with what they write; watchers here hear them as those of every
// other process do. Polling finds everything too, so that nothing here may delay or fail a call.
import { randomBytes } from "node:crypto";
import { defaults } from "../../core/defaults.ts";
import type { Unwatch } from "../../core/engine.ts";
import type { Signal } from "../../core/signal.ts";
import { Listener, type ListenStatus, type ListenTimes, type OpenEar } from "../../remote/listener.ts";
import { type Fired, readFired } from "./fired-ticks.ts";

const usualTimes: ListenTimes = {
  probeMs: defaults.redis.listenProbeMs,
  answerMs: defaults.redis.listenAnswerMs,
  backoffMs: defaults.redis.reconnectMs,
  backoffMsMax: defaults.redis.reconnectMsMax,
  deafMs: defaults.redis.listenRetryMs,
};

/** Where signals come from. */
export interface SignalRoute {
  /** Opens what listens; absent: everything is polled for. */
  readonly openEar: OpenEar | undefined;
  readonly publish: (channel: string, message: string) => Promise<unknown>;
  readonly times?: ListenTimes | undefined;
}

export class Signals {
  readonly #channel: string;
  readonly #watchers = new Set<(signal: Signal) => void>();
  #route: SignalRoute | undefined;
  #listener: Listener | undefined;
  #listening: Promise<void> | undefined;

  readonly #onFired: (fired: readonly Fired[]) => void;

  /**
   * @param prefix of the store's keys
   * @param onFired is told of what other processes have fired, where they say so
   */
  constructor(prefix: string, onFired: (fired: readonly Fired[]) => void) {
    this.#channel = `${prefix}signals`;
    this.#onFired = onFired;
  }

  /** The store has been opened. */
  begin(route: SignalRoute): void {
    this.#route = route;
  }

  /** Hears nothing more. */
  async end(): Promise<void> {
    const listener = this.#listener;
    this.#watchers.clear();
    this.#route = undefined;
    this.#listener = undefined;
    this.#listening = undefined;
    await listener?.stop();
  }

  get status(): ListenStatus {
    return this.#listener?.status ?? { listening: false, reconnects: 0 };
  }

  /** Whether signals are heard, as far as is known: nobody has tried before the first watches. */
  get hears(): boolean {
    if (this.#route?.openEar === undefined) return false;
    const { listening, lastError } = this.status;
    return listening || lastError === undefined;
  }

  /** Tells who watches in this process of what it wrote itself, while nothing is heard of it from the server. */
  tellUnheard(signals: readonly Signal[]): void {
    if (!this.status.listening) this.#tell(signals);
  }

  /** Resolves once signals are heard, or when that takes long. */
  async watch(onSignal: (signal: Signal) => void): Promise<Unwatch> {
    // Each call watches for itself, also with a function that watches already.
    const watcher = (signal: Signal) => onSignal(signal);
    this.#watchers.add(watcher);
    this.#listening ??= this.#listen();
    await this.#listening;
    return async () => {
      this.#watchers.delete(watcher);
    };
  }

  async #listen(): Promise<void> {
    const route = this.#route;
    if (route?.openEar === undefined) return;
    this.#listener = new Listener({
      openEar: route.openEar,
      channel: this.#channel,
      // Another one for each engine, in one process too.
      ownChannel: `${this.#channel}:${randomBytes(6).toString("hex")}`,
      publish: route.publish,
      onMessage: (message) => {
        const fired = readFired(message);
        if (fired === undefined) this.#tell(readSignals(message));
        else this.#onFired(fired);
      },
      onMissed: () => this.#tell([{ kind: "changed" }]),
      times: route.times ?? usualTimes,
    });
    await this.#listener.start();
  }

  #tell(signals: readonly Signal[]): void {
    for (const signal of signals) {
      for (const watcher of [...this.#watchers]) {
        try {
          watcher(signal);
        } catch {
          // What was written is written: one watcher's own fault is none of the others'.
        }
      }
    }
  }
}

/** What a message tells; a text that is none of ours asks to look at everything, so that anybody can wake the workers. */
export function readSignals(message: string): readonly Signal[] {
  try {
    const said: unknown = JSON.parse(message);
    if (Array.isArray(said) && said.every(isSignal)) return said;
  } catch {
    // Not JSON: not ours.
  }
  return [{ kind: "changed" }];
}

function isSignal(value: unknown): value is Signal {
  if (typeof value !== "object" || value === null) return false;
  const { kind, queue, dueAt, id } = value as Readonly<Record<string, unknown>>;
  if (kind === "wake") return typeof queue === "string" && Number.isFinite(dueAt);
  if (kind === "tick") return Number.isFinite(dueAt);
  return kind === "changed" || (kind === "cancel" && typeof id === "string");
}
