// The store between open and close: its connection, its journal, and who is told of what was written.
import type { Unwatch } from "../../core/engine.ts";
import { EngineNotConfiguredError, StoppedError, StoreOutdatedError } from "../../core/errors.ts";
import type { Finding } from "../../core/findings.ts";
import type { MigrationStep, SchemaState } from "../../core/schema.ts";
import type { Signal } from "../../core/signal.ts";
import type { Run } from "../../world/run.ts";
import { connect, type Way } from "./connecting.ts";
import { type Format, formatState, missingFrom, readFormat } from "./format.ts";
import { Journal } from "./journal.ts";
import type { Settings } from "./options.ts";
import { type Provisioned, provision } from "./provisioning.ts";
import { settingsFindings } from "./settings-findings.ts";
import { StoreClock } from "./store-clock.ts";

interface Present {
  readonly way: Way;
  readonly journal: Journal;
  readonly clock: StoreClock;
  readonly unwatch: () => void;
}

/** Journals below so many bytes are left as they are. */
const cleanFromBytes = 16 * 1024 * 1024;

export class Store {
  readonly #settings: Settings;
  readonly #watchers = new Set<(signal: Signal) => void>();
  #present: Present | undefined;
  #opening: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Does a call of the contract on the journal's world. @throws StoppedError while the store is not open */
  readonly run: Run = (work) =>
    this.#present === undefined ? Promise.reject(notOpen()) : this.#present.journal.run(work);

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    let way: Way | undefined;
    let clock: StoreClock | undefined;
    let journal: Journal | undefined;
    try {
      way = await connect(this.#settings);
      const provisioned = await this.#provisioned(way, this.#settings.mustExist);
      const { subject } = provisioned;
      await this.#checkFormat(way, subject);
      const { jsm } = way;
      const ofStore = new StoreClock(this.#settings.clock);
      clock = ofStore;
      const askClock = () => ofStore.start(jsm, this.#settings.stream);
      await askClock();
      journal = this.#journal(way, provisioned, ofStore);
      await journal.start();
      // Refused above where it may not be.
      await journal.begin();
      this.#present = { way, journal, clock: ofStore, unwatch: follow(way, journal, askClock) };
    } catch (error) {
      // It may be opened again once the cause is mended.
      this.#opening = undefined;
      clock?.stop();
      await journal?.end();
      await way?.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    await opening?.catch(() => {});
    const present = this.#present;
    if (present === undefined) return;
    await present.journal.end();
    this.#present = undefined;
    present.unwatch();
    present.clock.stop();
    await present.way.close();
  }

  async watch(onSignal: (signal: Signal) => void): Promise<Unwatch> {
    this.#expectPresent();
    this.#watchers.add(onSignal);
    return async () => {
      this.#watchers.delete(onSignal);
    };
  }

  /** What the stream's settings mean for the store. */
  async findings(): Promise<Finding[]> {
    const { way } = this.#expectPresent();
    return await settingsFindings(way, this.#settings);
  }

  /** Where the journal's format stands, whether the store is open or not. */
  async formatState(): Promise<SchemaState> {
    return await this.#lend(async (way) => formatState(await this.#readFormat(way)));
  }

  /** Makes the stream, and writes the first message of a journal that has none; answers the steps that it has applied. */
  async applyFormat(): Promise<MigrationStep[]> {
    return await this.#lend(async (way) => {
      const provisioned = await this.#provisioned(way, false);
      const missing = missingFrom(await this.#readFormat(way));
      if (missing.length === 0) return [];
      const clock = new StoreClock(this.#settings.clock);
      const journal = this.#journal(way, provisioned, clock);
      await clock.start(way.jsm, this.#settings.stream);
      await journal.start();
      try {
        const appliedAt = await journal.begin();
        return appliedAt === undefined ? [] : missing.map((step) => ({ ...step, appliedAt }));
      } finally {
        clock.stop();
        await journal.end();
      }
    });
  }

  async #checkFormat(way: Way, subject: string): Promise<void> {
    const { mustExist, migrate } = this.#settings;
    const format = await this.#readFormat(way);
    if (format === undefined && mustExist) {
      throw new EngineNotConfiguredError(`there is no store under the subject ${subject}`, {
        field: "prefix",
        mend: "Check the stream and the prefix; without mustExist a store is made.",
      });
    }
    const [missing] = missingFrom(format);
    if (missing !== undefined && !migrate) {
      throw new StoreOutdatedError(`the store lacks step ${missing.id} (${missing.name})`);
    }
  }

  async #readFormat(way: Way): Promise<Format | undefined> {
    const { stream, prefix } = this.#settings;
    const last = await way.jsm.streams.getMessage(stream, { last_by_subj: `${prefix}.journal` }).catch((error) => {
      if (isNoStream(error)) return null;
      throw error;
    });
    return last === null ? undefined : readFormat(last.header.get("Punctual-Format"));
  }

  #provisioned(way: Way, mustExist: boolean) {
    return provision(way, { ...this.#settings, mustExist });
  }

  #journal(way: Way, { subject, messageBytesMax }: Provisioned, clock: StoreClock): Journal {
    return new Journal({
      way,
      messageBytesMax,
      stream: this.#settings.stream,
      subject,
      history: this.#settings.history,
      clock,
      callMs: this.#settings.callMs,
      cleanFromBytes: this.#settings.cleanFromBytes ?? cleanFromBytes,
      purgeAfterMs: this.#settings.purgeAfterMs,
      onSignals: (signals) => {
        for (const signal of signals) for (const watcher of this.#watchers) watcher(signal);
      },
    });
  }

  /** Lends a connection for what is done whether the store is open or not. */
  async #lend<T>(work: (way: Way) => Promise<T>): Promise<T> {
    if (this.#present !== undefined) return await work(this.#present.way);
    const way = await connect(this.#settings);
    try {
      return await work(way);
    } finally {
      await way.close();
    }
  }

  #expectPresent(): Present {
    if (this.#present !== undefined) return this.#present;
    throw notOpen();
  }
}

/** Tells the journal of each new connection. */
function follow(way: Way, journal: Journal, askClock: () => Promise<void>): () => void {
  return way.watch((turn) => {
    if (turn === "lost") journal.connectionLost();
    if (turn !== "back") return;
    journal.connectionBack();
    askClock().catch(() => {});
  });
}

function isNoStream(error: unknown): boolean {
  return error instanceof Error && /stream not found|no responders/i.test(error.message);
}

function notOpen(): StoppedError {
  return new StoppedError("the nats engine is not open", { mend: "Await open() first." });
}
