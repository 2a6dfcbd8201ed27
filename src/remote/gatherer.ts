// Calls of one moment in one statement: while statements are on their way, what is called meanwhile gathers for the next.
import { PartialFailure, settleOne } from "../core/partial-failure.ts";

export interface GathererOptions<Item> {
  readonly sizeOf: (item: Item) => number;
  /** Of one statement; a larger item goes alone. */
  readonly sizeMax: number;
  readonly inFlightMax: number;
  /** Whether a failure may be one item's alone: then each is sent again by itself. */
  readonly isOfOne: (error: unknown) => boolean;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Gatherer<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #options: GathererOptions<Item>;
  readonly #waiting: Waiting<Item, Answer>[] = [];
  #inFlight = 0;
  #begins = false;

  /** @param send answers in the order of the items */
  constructor(send: (items: readonly Item[]) => Promise<readonly Answer[]>, options: GathererOptions<Item>) {
    this.#send = send;
    this.#options = options;
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#begin();
    });
  }

  /** After all that this turn's promises lead to. */
  #begin(): void {
    if (this.#begins || this.#inFlight >= this.#options.inFlightMax) return;
    this.#begins = true;
    process.nextTick(() => {
      this.#begins = false;
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#inFlight++;
      void this.#sendTogether(batch).finally(() => {
        this.#inFlight--;
        if (this.#waiting.length > 0) this.#begin();
      });
      if (this.#waiting.length > 0) this.#begin();
    });
  }

  #take(): Waiting<Item, Answer>[] {
    const { sizeOf, sizeMax } = this.#options;
    let size = 0;
    let count = 0;
    for (const { item } of this.#waiting) {
      size += sizeOf(item);
      if (count > 0 && size > sizeMax) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #sendTogether(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#send(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (error instanceof PartialFailure) {
        for (const [index, waiting] of batch.entries()) settleOne(error.each[index], waiting);
        return;
      }
      // Where the server refused one item's data, only the guilty one is to fail. A store that is away refuses all alike.
      if (batch.length > 1 && this.#options.isOfOne(error)) for (const one of batch) await this.#sendTogether([one]);
      else for (const { reject } of batch) reject(error);
    }
  }
}
