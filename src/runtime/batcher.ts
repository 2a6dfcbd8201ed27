// Collects concurrent calls while one is in flight: no added wait at low load, large batches at high load.
import { isPunctualError } from "../core/errors.ts";
import { PartialFailure, settleOne } from "../core/partial-failure.ts";

export interface BatcherOptions<Item, Answer> {
  /** Sends a batch; answers in the same order. */
  readonly send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly max: number;
  /** Resolves when the first batch is to leave; by default, when the calls of this turn of the event loop were made. */
  readonly gather?: () => Promise<void>;
  /** Called when a batch has been handed to `send`, before it is answered. */
  readonly onSent?: () => void;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Batcher<Item, Answer> {
  readonly #options: BatcherOptions<Item, Answer>;
  readonly #waiting: Waiting<Item, Answer>[] = [];
  #running: Promise<void> | undefined;

  constructor(options: BatcherOptions<Item, Answer>) {
    this.#options = options;
  }

  /** Items not yet answered. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Sends an item with whatever else gathers; settles with its own answer or error. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => this.push(item, resolve, reject));
  }

  /** As `add`, without a promise for each: the callbacks must not throw. */
  push(item: Item, resolve: (answer: Answer) => void, reject: (error: unknown) => void): void {
    this.#waiting.push({ item, resolve, reject });
    this.#running ??= this.#run();
  }

  /** Resolves when everything added so far has been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    const { gather = () => Promise.resolve() } = this.#options;
    await gather();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#options.max);
      await this.#send(batch);
    }
    this.#running = undefined;
  }

  async #send(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const sent = this.#options.send(batch.map(({ item }) => item));
      this.#options.onSent?.();
      const answers = await sent;
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (error instanceof PartialFailure) {
        for (const [index, waiting] of batch.entries()) settleOne(error.each[index], waiting);
        return;
      }
      if (batch.length === 1 || !isRefusal(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      // Somebody's item was refused: halves find the guilty one, and its neighbours are unharmed.
      const middle = batch.length >> 1;
      await this.#send(batch.slice(0, middle));
      await this.#send(batch.slice(middle));
    }
  }
}

/** Whether the store refused what was sent, rather than failing itself. */
function isRefusal(error: unknown): boolean {
  return !isPunctualError(error) || error.status < 500;
}
