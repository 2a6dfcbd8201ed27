// Listening: one connection that hears what other processes publish, tried again and again. Where it does not hear, its
// owner is told, everything is polled for, and it is connected anew.
import { randomBytes } from "node:crypto";
import type { Millis } from "../core/clock.ts";
import { within } from "./within.ts";

/** A connection that hears messages. */
export interface Ear {
  /** Resolves once the server has said that it will tell. */
  listen(channels: readonly string[]): Promise<void>;
  close(): Promise<void> | void;
}

/** What an ear reports. */
export interface EarEvents {
  heard(channel: string, message: string): void;
  /** The connection has ended. */
  lost(error?: Error): void;
}

export type OpenEar = (events: EarEvents) => Promise<Ear>;

/** How listening is going, for people who ask. */
export interface ListenStatus {
  /** Messages are heard, as the last try has proved. */
  readonly listening: boolean;
  /** Since when it has been as it is, on this machine's clock; absent: nobody has asked to be told yet. */
  readonly since?: Millis | undefined;
  /** How long the last message of a process to itself took. */
  readonly lastProbeMs?: number | undefined;
  /** How often the connection was made anew. */
  readonly reconnects: number;
  readonly lastError?: string | undefined;
}

/** How often an ear is tried, and how long is waited for an answer; in ms. */
export interface ListenTimes {
  readonly probeMs: number;
  readonly answerMs: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** After a connection that listened and never heard. */
  readonly deafMs: number;
}

export interface ListenerOptions {
  readonly openEar: OpenEar;
  readonly channel: string;
  /** Only this process listens to it: what it sends itself wakes nobody else. */
  readonly ownChannel: string;
  /** Sends a message by another connection. */
  readonly publish: (channel: string, message: string) => Promise<unknown>;
  readonly onMessage: (message: string) => void;
  /** Something may have been missed. */
  readonly onMissed: () => void;
  readonly times: ListenTimes;
}

/** Listens from `start` to `stop`, on one connection after another. */
export class Listener {
  readonly #options: ListenerOptions;
  #turn: Turn | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #missed = false;
  #turns = 0;
  #isRunning = false;
  #status: Omit<ListenStatus, "reconnects"> = { listening: false };

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get status(): ListenStatus {
    return { ...this.#status, reconnects: Math.max(0, this.#turns - 1) };
  }

  /** Resolves once the server has agreed to tell, or when that takes long; what is missed meanwhile is said later. */
  async start(): Promise<void> {
    this.#isRunning = true;
    this.#status = { listening: false, since: Date.now() };
    const heard = this.#begin();
    await within(heard, this.#options.times.answerMs);
    if (this.#turns === 0) this.#missed = true;
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    clearTimeout(this.#retry);
    const turn = this.#turn;
    this.#turn = undefined;
    this.#set(false);
    await turn?.end();
  }

  /** Resolves once this turn listens, or has failed. */
  #begin(): Promise<void> {
    const turn: Turn = new Turn(this.#options, {
      listens: () => {
        this.#turns++;
        if (!this.#missed) return;
        this.#missed = false;
        this.#options.onMissed();
      },
      answered: (ms) => {
        this.#failures = 0;
        this.#set(true, undefined, ms);
      },
      untried: (error) => this.#set(false, error instanceof Error ? error.message : String(error)),
      ended: (error) => {
        if (this.#turn === turn) this.#onEnded(error);
      },
    });
    this.#turn = turn;
    return turn.begin();
  }

  #onEnded(error: Error): void {
    this.#turn = undefined;
    const wasListening = this.#status.listening;
    this.#set(false, error.message);
    this.#missed = true;
    if (wasListening) this.#options.onMissed();
    const { backoffMs, backoffMsMax, deafMs } = this.#options.times;
    // A connection that has heard before is only slow or gone; one that never did stands behind a pooler or a proxy.
    const isDeaf = error instanceof UnheardError && this.#status.lastProbeMs === undefined;
    const ms = isDeaf ? deafMs : Math.min(backoffMs * 2 ** Math.min(this.#failures++, 10), backoffMsMax);
    // Not in step with other processes that lost the same server.
    this.#retry = setTimeout(() => void this.#begin(), ms * (1 - Math.random() / 4)).unref();
  }

  #set(listening: boolean, error?: string, probeMs?: number): void {
    const { since, lastProbeMs, lastError } = this.#status;
    const isSame = this.#status.listening === listening && since !== undefined;
    this.#status = {
      listening,
      since: isSame ? since : Date.now(),
      lastProbeMs: probeMs ?? lastProbeMs,
      lastError: error ?? lastError,
    };
    if (!this.#isRunning) this.#status = { ...this.#status, listening: false };
  }
}

/** What is on its way at the end is waited for so long, in ms. */
const leaveMs = 1_000;

class UnheardError extends Error {}

interface TurnEvents {
  listens(): void;
  answered(ms: number): void;
  /** It could not be tried. */
  untried(error: unknown): void;
  ended(error: Error): void;
}

/** One connection, from its beginning to its end. */
class Turn {
  readonly #options: ListenerOptions;
  readonly #events: TurnEvents;
  #ear: Ear | undefined;
  #isOver = false;
  #next: NodeJS.Timeout | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #onNonce: ((nonce: string) => void) | undefined;

  constructor(options: ListenerOptions, events: TurnEvents) {
    this.#options = options;
    this.#events = events;
  }

  async begin(): Promise<void> {
    try {
      const ear = await this.#options.openEar({
        heard: (channel, message) => this.#heard(channel, message),
        lost: (error) => this.#fail(error ?? new Error("the connection that listens has ended")),
      });
      this.#ear = ear;
      if (this.#isOver) return await ear.close();
      await ear.listen([this.#options.channel, this.#options.ownChannel]);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isOver) return;
    this.#events.listens();
    void this.#probe();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#next);
    // What it has on its way by another connection gives that one back first.
    await Promise.all([this.#ear?.close(), within(this.#sending, leaveMs)]);
  }

  #heard(channel: string, message: string): void {
    if (this.#isOver) return;
    const { ownChannel, channel: shared, onMessage } = this.#options;
    if (channel === ownChannel) this.#onNonce?.(message);
    else if (channel === shared) onMessage(message);
  }

  async #probe(): Promise<void> {
    const { ownChannel, publish, times } = this.#options;
    const nonce = randomBytes(8).toString("hex");
    const sentAt = performance.now();
    const answer = new Promise<void>((resolve) => {
      this.#onNonce = (heard) => {
        if (heard === nonce) resolve();
      };
    });
    const sending = publish(ownChannel, nonce).then(
      () => true,
      (error: unknown) => {
        // What could not be sent says nothing of who listens.
        if (!this.#isOver) this.#events.untried(error);
        return false;
      },
    );
    this.#sending = sending;
    const isSent = await sending;
    if (this.#isOver) return;
    const isHeard = isSent && (await within(answer, times.answerMs, true));
    if (this.#isOver) return;
    if (isSent && !isHeard) {
      this.#fail(new UnheardError(`a message to itself was not heard within ${times.answerMs} ms`));
      return;
    }
    if (isHeard) this.#events.answered(performance.now() - sentAt);
    this.#next = setTimeout(() => void this.#probe(), times.probeMs).unref();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    void this.end().catch(() => {});
    this.#events.ended(error instanceof Error ? error : new Error(String(error)));
  }
}
