// One ioredis client of our own, Redis or Cluster: calls leave in the order they were made, each has a time limit, and
// nothing that may have been done is sent a second time.
import { NotWrittenError } from "../../core/errors.ts";
import { within } from "../../remote/within.ts";
import { bare, misconfigured, type Request, translate, UnansweredError, wasNeverSent } from "./faults.ts";

/** What is used of an ioredis client, whichever version or kind. */
export interface Driver {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  /** Lists among the arguments are unfolded. */
  call(command: string, ...args: (string | number | readonly (string | number)[])[]): Promise<unknown>;
  pipeline(commands: unknown[][]): { exec(): Promise<[error: Error | null, result: unknown][] | null> };
  on(event: string, listener: (error: Error) => void): unknown;
  off(event: string, listener: (error: Error) => void): unknown;
  /** What a single connection goes by. */
  readonly stream?: { readonly destroyed?: boolean; ref?(): unknown; unref?(): unknown } | null;
}

/** In ms. */
export interface ConnectionTimes {
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

/** A server that hangs takes no leave; it is given this long, in ms. */
const leaveMs = 2_000;

interface Pending {
  readonly overdueAt: number;
  readonly reject: (error: Error) => void;
}

export class Connection {
  /** SHA-1 sums of the scripts whose text has been sent since the connection was made. */
  readonly known = new Set<string>();
  readonly #driver: Driver;
  readonly #times: ConnectionTimes;
  /** In the order they were sent, so that the longest wait comes first. */
  readonly #pending = new Set<Pending>();
  #onIdle: (() => void) | undefined;
  #watch: NodeJS.Timeout | undefined;
  #handshake: NodeJS.Timeout | undefined;
  #ready: Promise<void> | undefined;
  #waiting = 0;
  /** It was ready once: what goes wrong later is an outage, be it a changed password, and may pass. */
  #hasConnected = false;
  /** What the driver has last complained of beside any call. */
  #said: Error | undefined;

  constructor(driver: Driver, times: ConnectionTimes) {
    this.#driver = driver;
    this.#times = times;
    driver.on("error", (error) => {
      this.#said = error;
    });
    for (const event of ["ready", "close", "+node", "-node"]) driver.on(event, () => this.known.clear());
    driver.on("connect", () => this.#expectReady());
    driver.on("ready", () => {
      this.#hasConnected = true;
      this.#said = undefined;
      this.#letGo();
    });
  }

  /**
   * Connects.
   * @throws NotWrittenError, EngineNotConfiguredError
   */
  async open(): Promise<void> {
    const ready = this.#turn();
    this.#driver.connect().catch(() => {});
    await ready;
  }

  /**
   * Makes a call: at once where the connection is there, else when it is there again.
   * @throws an error of the catalogue
   */
  async send<T>(request: Request, call: (driver: Driver) => Promise<T>): Promise<T> {
    for (let isFirst = true; ; isFirst = false) {
      if (this.#waiting > 0 || this.#driver.status !== "ready") await this.#turn();
      try {
        return await this.#answered(call(this.#driver));
      } catch (error) {
        if (isFirst && wasNeverSent(error)) continue;
        throw translate(error, request);
      }
    }
  }

  /** Waits for what is on its way, as far as the server answers at all, and hangs up. */
  async close(): Promise<void> {
    if (this.#pending.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await within(idle, leaveMs);
    }
    clearTimeout(this.#watch);
    clearTimeout(this.#handshake);
    const ended = new Promise<void>((resolve) => this.#driver.on("end", () => resolve()));
    // Between two attempts to connect there is nothing that could end.
    const isThere = ["connecting", "connect", "ready"].includes(this.#driver.status);
    this.#driver.disconnect();
    if (isThere) await within(ended, leaveMs);
  }

  /** Waits behind those that wait already, so that calls keep their order. */
  async #turn(): Promise<void> {
    this.#waiting++;
    try {
      await (this.#ready ?? (this.#driver.status === "ready" ? undefined : this.#nextReady()));
    } catch (error) {
      const said = this.#said ?? error;
      const mistake = this.#hasConnected ? undefined : misconfigured(said);
      if (mistake !== undefined) throw mistake;
      const message = said instanceof Error ? said.message : String(said);
      throw new NotWrittenError(`no connection to the server: ${message}`, { cause: bare(said) });
    } finally {
      this.#waiting--;
    }
  }

  /** Resolves when the connection is there; rejects when an attempt at it has failed, or takes long. */
  #nextReady(): Promise<void> {
    const driver = this.#driver;
    this.#ready = new Promise<void>((resolve, reject) => {
      if (driver.status === "end") return reject(new Error("it is closed"));
      // The end of the last connection may not have been told yet.
      let isTried = driver.status === "connecting" || driver.status === "connect";
      const listeners: Record<string, () => void> = {
        connecting: () => {
          isTried = true;
        },
        ready: () => settle(resolve),
        close: () => {
          if (isTried) settle(() => reject(new Error("it was closed")));
        },
        end: () => settle(() => reject(new Error("it is closed"))),
      };
      const { connectTimeoutMs } = this.#times;
      const late = () => settle(() => reject(new Error(`it was not ready within ${connectTimeoutMs} ms`)));
      const timer = setTimeout(late, connectTimeoutMs);
      const settle = (how: () => void) => {
        clearTimeout(timer);
        for (const [event, listener] of Object.entries(listeners)) driver.off(event, listener);
        this.#ready = undefined;
        how();
      };
      for (const [event, listener] of Object.entries(listeners)) driver.on(event, listener);
    });
    return this.#ready;
  }

  /** ioredis limits the time to connect, and not that of the first words: a server that hangs has accepted, too. */
  #expectReady(): void {
    clearTimeout(this.#handshake);
    this.#handshake = setTimeout(() => {
      if (this.#driver.status === "connect") this.#driver.disconnect(true);
    }, this.#times.connectTimeoutMs);
    this.#handshake.unref();
  }

  #answered<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { overdueAt: performance.now() + this.#times.answerTimeoutMs, reject };
      if (this.#pending.size === 0) this.#socket()?.ref?.();
      this.#pending.add(pending);
      this.#watch ??= this.#watchFor(this.#times.answerTimeoutMs);
      const end = () => {
        this.#pending.delete(pending);
        if (this.#pending.size > 0) return;
        this.#letGo();
        this.#onIdle?.();
      };
      work.then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(error);
        },
      );
    });
  }

  /** A process that has nothing else to do may end. */
  #letGo(): void {
    if (this.#pending.size === 0) this.#socket()?.unref?.();
  }

  /** One that is gone would wait to be connected, with a listener more for each time. */
  #socket(): Driver["stream"] {
    const { stream } = this.#driver;
    return stream?.destroyed === true ? undefined : stream;
  }

  #watchFor(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#lookForOverdue(), Math.ceil(ms)).unref();
  }

  /** One watch for all calls: answers come in the order of the calls. */
  #lookForOverdue(): void {
    this.#watch = undefined;
    const now = performance.now();
    let isStuck = false;
    for (const pending of this.#pending) {
      if (pending.overdueAt > now) break;
      isStuck = true;
      this.#pending.delete(pending);
      pending.reject(new UnansweredError(`no answer within ${this.#times.answerTimeoutMs} ms`));
    }
    // A new connection may lead to a server that answers.
    if (isStuck && this.#driver.status === "ready") this.#driver.disconnect(true);
    const [oldest] = this.#pending;
    if (oldest !== undefined) this.#watch = this.#watchFor(oldest.overdueAt - now);
  }
}
