// The store between open and close: its connection, what its parts share, and who is told of what was written.
import type { Clock, Millis } from "../../core/clock.ts";
import type { Unwatch } from "../../core/engine.ts";
import { StoppedError } from "../../core/errors.ts";
import type { Finding } from "../../core/findings.ts";
import type { History } from "../../core/history.ts";
import type { Signal } from "../../core/signal.ts";
import type { ListenStatus, ListenTimes } from "../../remote/listener.ts";
import { type Client, ConnectedClient } from "./client.ts";
import { connect, type Location, type Way } from "./connecting.ts";
import type { ConnectionTimes } from "./connection.ts";
import { atOpening } from "./faults.ts";
import { FiredTicks } from "./fired-ticks.ts";
import { openStore } from "./opening.ts";
import { settingsFindings } from "./settings-findings.ts";
import { Signals } from "./signals.ts";

/** What the parts of the contract are given. */
export interface Access {
  /** Calls are refused with StoppedError while the store is not open. */
  readonly client: Client;
  readonly history: History;
  /** What is known to have fired, whatever the store says. */
  readonly fired: FiredTicks;
  /** Tells watchers of this process what it has written, where nobody else does. */
  tellHere(signals: readonly Signal[]): void;
  /** A test's now, for ARGV[1]; "" lets the server's clock decide. */
  readonly testNow: () => Millis | "";
}

/** How to open a store. */
export interface StoreOptions {
  readonly location: Location;
  /** Every key begins with it, in braces. */
  readonly prefix: string;
  readonly clock: Clock | undefined;
  readonly history: History;
  readonly listen: boolean;
  readonly migrate: boolean;
  readonly mustExist: boolean;
  /** For tests: the time limits, and how often what listens is tried. */
  readonly times?: ConnectionTimes | undefined;
  readonly listenTimes?: ListenTimes | undefined;
}

/** How a store hears of other processes, for people who ask. */
export interface StoreStatus extends ListenStatus {
  readonly wantsListen: boolean;
}

export class Store implements Access {
  readonly client: Client;
  readonly fired = new FiredTicks();
  readonly #options: StoreOptions;
  readonly #signals: Signals;
  readonly #prefix: string;
  #present: Present | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#prefix = `{${options.prefix}}:`;
    this.#signals = new Signals(this.#prefix, (fired) => {
      for (const one of fired) this.fired.remember(one);
    });
    this.client = {
      prefix: this.#prefix,
      run: async (script, args) => this.#expectPresent().client.run(script, args),
      read: async (commands) => this.#expectPresent().client.read(commands),
    };
  }

  get history(): History {
    return this.#options.history;
  }

  readonly testNow = (): Millis | "" => this.#options.clock?.now() ?? "";

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    let present: Present | undefined;
    try {
      present = await this.#connect();
      await openStore(present, this.#openingOptions());
      this.#present = present;
      this.#signals.begin(this.#routeOf(present));
    } catch (error) {
      // It may be opened again once the cause is mended.
      this.#opening = undefined;
      await present?.connection.close();
      throw atOpening(error);
    }
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    await opening?.catch(() => {});
    await this.#signals.end();
    const present = this.#present;
    this.#present = undefined;
    await present?.connection.close();
  }

  /** Lends a client for what is done whether the store is open or not. */
  async lend<T>(work: (present: Present) => Promise<T>): Promise<T> {
    const open = this.#present;
    const present = open ?? (await this.#connect());
    try {
      return await work(present);
    } catch (error) {
      throw atOpening(error);
    } finally {
      if (open === undefined) await present.connection.close();
    }
  }

  tellHere(signals: readonly Signal[]): void {
    this.#signals.tellUnheard(signals);
  }

  /** Resolves once signals are heard, or when that takes long. */
  async watch(onSignal: (signal: Signal) => void): Promise<Unwatch> {
    this.#expectPresent();
    return await this.#signals.watch(onSignal);
  }

  /** Whether other processes are heard at once, as far as is known. */
  get hears(): boolean {
    return this.#present === undefined ? this.#options.listen : this.#signals.hears;
  }

  /** How other processes are heard. */
  get status(): StoreStatus {
    return { ...this.#signals.status, wantsListen: this.#options.listen };
  }

  /** What the server's settings mean for the store. */
  async findings(): Promise<Finding[]> {
    const { connection, isCluster } = this.#expectPresent();
    return await settingsFindings(connection, { prefix: this.#prefix, isCluster });
  }

  async #connect(): Promise<Present> {
    const way = await connect({ ...this.#options, prefix: this.#prefix });
    return { ...way, client: new ConnectedClient(way, this.#prefix) };
  }

  #openingOptions() {
    const { mustExist, migrate } = this.#options;
    return { mustExist, migrate, testNow: this.testNow() };
  }

  #routeOf({ connection, openEar }: Present) {
    return {
      openEar: this.#options.listen ? openEar : undefined,
      publish: (channel: string, message: string) =>
        connection.send({ what: "publish", writes: false }, (driver) => driver.call("publish", channel, message)),
      times: this.#options.listenTimes,
    };
  }

  #expectPresent(): Present {
    if (this.#present !== undefined) return this.#present;
    throw new StoppedError("the redis engine is not open", { mend: "Await open() first." });
  }
}

/** What is there while the store is open. */
export interface Present extends Way {
  readonly client: Client;
}
