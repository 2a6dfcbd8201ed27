// Stores of a test's own on a NATS server, and a look into the stream that each of them has to itself.
import { type JetStreamManager, jetstreamManager, type StreamState } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { onTestFinished } from "vitest";
import { until } from "../../scripts/services/settling.ts";
import type { Engine } from "../../src/core/engine.ts";
import { type NatsOptions, nats } from "../../src/engines/nats/index.ts";
import type { Location } from "../../src/engines/nats/location.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { HeldConnection } from "./held-connection.ts";

/** A store's journal, alone in its stream; what is opened on it is closed with the test. */
export class OwnJournal {
  readonly clock = new TestClock();
  readonly url: string;
  readonly #name: string;
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;

  private constructor(url: string, name: string, nc: NatsConnection, jsm: JetStreamManager) {
    this.url = url;
    this.#name = name;
    this.#nc = nc;
    this.#jsm = jsm;
  }

  static async on(url: string, name: string): Promise<OwnJournal> {
    const nc = await connect({ servers: url });
    onTestFinished(() => nc.close());
    return new OwnJournal(url, name, nc, await jetstreamManager(nc));
  }

  get subject(): string {
    return `${this.#name}.journal`;
  }

  /** An engine on the store; by default at the server's URL. */
  engine(options: NatsOptions = {}, location: Location = this.url): Engine {
    const { clock } = this;
    const engine = nats(location, { clock, stream: this.#name, prefix: this.#name, purgeAfter: 0, ...options });
    onTestFinished(() => engine.close());
    return engine;
  }

  async opened(options: NatsOptions = {}, location: Location = this.url): Promise<Engine> {
    const engine = this.engine(options, location);
    await engine.open();
    return engine;
  }

  /** A connection that an engine may be given; closed after it. */
  async held(): Promise<HeldConnection> {
    const held = await HeldConnection.to(this.url);
    onTestFinished(() => held.close());
    return held;
  }

  async state(): Promise<StreamState> {
    return (await this.#jsm.streams.info(this.#name)).state;
  }

  /** Waits until something holds of the journal's stream. */
  async until(what: string, holds: (state: StreamState) => boolean): Promise<void> {
    await until(what, [], async () => holds(await this.state()), 12_000);
  }

  /** Writes to the journal's subject by hand. */
  async write(text: string, named: Readonly<Record<string, string>> = {}): Promise<void> {
    const all = headers();
    for (const [name, value] of Object.entries(named)) all.set(name, value);
    await this.#nc.request(this.subject, text, { headers: all, timeout: 10_000 });
  }

  /** Removes the stream, and makes an empty one like it. */
  async makeAnew(): Promise<void> {
    const { config } = await this.#jsm.streams.info(this.#name);
    await this.#jsm.streams.delete(this.#name);
    await this.#jsm.streams.add(config);
  }
}

/** Never cleans. */
export const neverCleans: NatsOptions = { cleanFromBytes: 1e12 };
/** Cleans whenever there is anything to clean. */
export const alwaysCleans: NatsOptions = { cleanFromBytes: 1 };

/** Writes a record again and again, of which only the last counts: so many times 30 kB. */
export async function fillUp({ records }: Engine, times: number): Promise<void> {
  const value = `"${"x".repeat(30_000)}"`;
  for (let index = 0; index < times; index++) await records.put([{ key: "of-no-use", value, expected: "any" }]);
}
