// Waiting for what a watcher is told, and for conditions: the bound is for a hang only.
import { Client } from "pg";
import type { Engine } from "../../src/core/engine.ts";
import type { Signal } from "../../src/core/signal.ts";

const hangMs = 12_000;

/** What a watcher of an engine has heard. */
export class Ear {
  readonly heard: Signal[] = [];
  #onSignal: () => void = () => {};

  static async of(engine: Pick<Engine, "watch">): Promise<Ear> {
    const ear = new Ear();
    await engine.watch?.((signal) => {
      ear.heard.push(signal);
      ear.#onSignal();
    });
    return ear;
  }

  /** Resolves with the first signal that passes, heard before or to come. */
  async until(passes: (signal: Signal) => boolean): Promise<Signal> {
    const found = () => this.heard.find(passes);
    return await new Promise((resolve, reject) => {
      const hang = setTimeout(() => reject(new Error(`heard only ${JSON.stringify(this.heard)}`)), hangMs);
      this.#onSignal = () => {
        const signal = found();
        if (signal === undefined) return;
        clearTimeout(hang);
        resolve(signal);
      };
      this.#onSignal();
    });
  }

  /** Resolves once a job of this queue is told of. */
  wake(queue: string): Promise<Signal> {
    return this.until((signal) => signal.kind === "wake" && signal.queue === queue);
  }

  changed(): Promise<Signal> {
    return this.until(({ kind }) => kind === "changed");
  }

  wakes(): string[] {
    return this.heard.flatMap((signal) => (signal.kind === "wake" ? [signal.queue] : []));
  }

  forget(): void {
    this.heard.length = 0;
  }
}

/** Resolves once a condition holds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + hangMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not so after ${hangMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A connected client, ended with the test. */
export async function connected(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  // The server may end it.
  client.on("error", () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
