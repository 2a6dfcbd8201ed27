// Who is told of commits: watchers of this process at once, without a way round by the server; other processes by notices.
// Polling finds everything too, so that nothing here may delay or fail a call.
import { randomBytes } from "node:crypto";
import { defaults } from "../../core/defaults.ts";
import type { Unwatch } from "../../core/engine.ts";
import type { Signal } from "../../core/signal.ts";
import { Listener, type ListenStatus, type ListenTimes, type OpenEar } from "../../remote/listener.ts";
import { within } from "../../remote/within.ts";
import type { Connections, Session } from "./connections.ts";
import { channelOf, Notifier, notify, notifyJoined, payloadsOf, readPayload } from "./notify.ts";

/** At the end what is still to be sent may take this long, in ms. */
const finishMs = 1_000;

const usualTimes: ListenTimes = {
  probeMs: defaults.postgres.listenProbeMs,
  answerMs: defaults.postgres.listenAnswerMs,
  backoffMs: defaults.backoffMs,
  backoffMsMax: defaults.backoffMsMax,
  deafMs: defaults.postgres.listenRetryMs,
};

/** How signals travel, for people who ask. */
export interface SignalStatus extends ListenStatus {
  /** Statements that told other processes, and those of them that failed. */
  readonly sent: number;
  readonly failed: number;
}

/** Where signals go beyond this process. */
export interface SignalRoute {
  readonly connections: Connections;
  /** Opens what listens; absent: everything is polled for. */
  readonly openEar: OpenEar | undefined;
  readonly times?: ListenTimes | undefined;
}

export class Signals {
  readonly #channel: string;
  /** Tells this engine's own notices from those of others, also in one process. */
  readonly #origin = randomBytes(6).toString("hex");
  readonly #watchers = new Set<(signal: Signal) => void>();
  /** The engine's own, which stay when it closes. */
  readonly #insiders: ((signal: Signal) => void)[] = [];
  #route: SignalRoute | undefined;
  #notifier: Notifier | undefined;
  #listener: Listener | undefined;
  #listening: Promise<void> | undefined;

  constructor(schema: string) {
    this.#channel = channelOf(schema);
  }

  /** The store has been opened. */
  begin(route: SignalRoute): void {
    this.#route = route;
    const { connections } = route;
    this.#notifier = new Notifier((signals) => notify(connections, this.#channel, payloadsOf(signals, this.#origin)));
  }

  /** Tells what is still to be told, and hears nothing more. */
  async end(): Promise<void> {
    const [notifier, listener] = [this.#notifier, this.#listener];
    this.#watchers.clear();
    this.#route = undefined;
    this.#notifier = undefined;
    this.#listener = undefined;
    this.#listening = undefined;
    await Promise.all([notifier === undefined ? undefined : within(notifier.finish(), finishMs), listener?.stop()]);
  }

  get status(): SignalStatus {
    const { sent = 0, failed = 0 } = this.#notifier ?? {};
    return { ...(this.#listener?.status ?? { listening: false, reconnects: 0 }), sent, failed };
  }

  /** Resolves once other processes are heard too, or when that takes long. */
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

  /** As `watch`, for the engine itself, whether it is open or not: it hears what anyone is told here. */
  inside(onSignal: (signal: Signal) => void): void {
    this.#insiders.push(onSignal);
  }

  /** Tells of what was committed. */
  tell(signals: readonly Signal[]): void {
    if (signals.length === 0) return;
    this.#tellHere(signals);
    this.#notifier?.add(signals);
  }

  /** Tells of what a caller's transaction writes, should it commit: everyone by the server, this process too. */
  async tellJoined(signals: readonly Signal[], session: Session): Promise<void> {
    await notifyJoined(session, this.#channel, signals);
  }

  async #listen(): Promise<void> {
    const route = this.#route;
    if (route?.openEar === undefined) return;
    this.#listener = new Listener({
      openEar: route.openEar,
      channel: this.#channel,
      ownChannel: `${this.#channel}_${this.#origin}`,
      publish: (channel, payload) => notify(route.connections, channel, [payload]),
      onMessage: (payload) => this.#hear(payload),
      onMissed: () => this.#tellHere([{ kind: "changed" }]),
      times: route.times ?? usualTimes,
    });
    await this.#listener.start();
  }

  #hear(payload: string): void {
    const { from, signals } = readPayload(payload);
    if (from !== this.#origin) this.#tellHere(signals);
  }

  #tellHere(signals: readonly Signal[]): void {
    for (const signal of signals) {
      for (const watcher of [...this.#insiders, ...this.#watchers]) tellOne(watcher, signal);
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
