// Writes to a store what is of no use at once: a journal that must be cleaned again and again.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { defaults } from "../../../src/core/defaults.ts";
import type { Engine } from "../../../src/core/engine.ts";

/** About a megabyte a second. */
const bytes = 50_000;
const pauseMs = 50;
const key = "of-no-use";

export class Waste {
  readonly #written: Promise<void>;
  #ends = false;

  /** Begins when the engine is open. */
  constructor(engine: Engine<never>) {
    this.#written = this.#write(engine);
  }

  async end(): Promise<void> {
    this.#ends = true;
    await this.#written;
  }

  /** Whether it did what it is for. */
  async audit(url: string): Promise<string[]> {
    const client = await connect({ servers: url.replace("nats://", "").split(",") });
    try {
      const { state } = await (await jetstreamManager(client)).streams.info(defaults.nats.stream);
      return state.first_seq > 1 ? [] : ["the journal has never been cleaned"];
    } finally {
      await client.close();
    }
  }

  async #write({ records }: Engine<never>): Promise<void> {
    while (!this.#ends) {
      try {
        await records.put([{ key, value: `"${"x".repeat(bytes)}"`, expected: "any" }]);
        await records.remove([key]);
      } catch {
        // Not open yet, or away.
      }
      await sleep(pauseMs);
    }
  }
}
