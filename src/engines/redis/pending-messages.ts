// Messages that were heard and not yet applied, at most so many: what is too much is dropped, and said. What is wrong is told
// once at once and then now and then, as every telling costs a report and a load of everything.
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import { InvalidInputError, isPunctualError, PunctualError } from "../../core/errors.ts";

const { pendingMax, pendingCharsMax, troubleMs } = defaults.redisChanges;

export class PendingMessages<Change> {
  readonly #channel: string;
  readonly #parse: (message: string) => Change | undefined;
  #messages: string[] = [];
  #chars = 0;
  #trouble: Error | undefined;
  #troubles = 0;
  #tellAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};

  constructor(channel: string, parse: (message: string) => Change | undefined) {
    this.#channel = channel;
    this.#parse = parse;
  }

  add(message: string): void {
    this.#messages.push(message);
    this.#chars += message.length;
    if (this.#messages.length > pendingMax || this.#chars > pendingCharsMax) {
      const count = this.#messages.length;
      this.#drop();
      this.#note(
        new Error(`${count} messages of channel ${this.#channel} came faster than they were applied, and were dropped`),
      );
    }
    this.#wake();
  }

  /** The next change, or what is wrong; undefined when there is nothing. */
  take(): Change | Error | undefined {
    for (;;) {
      const trouble = this.#dueTrouble();
      if (trouble !== undefined) return trouble;
      const message = this.#messages.shift();
      if (message === undefined) return undefined;
      this.#chars -= message.length;
      try {
        const change = this.#parse(message);
        if (change !== undefined) return change;
      } catch (error) {
        this.#note(this.#unreadable(error));
      }
    }
  }

  /** Resolves when there may be something to take. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake();
  }

  /** Forgets everything. */
  clear(): void {
    this.#drop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#trouble = undefined;
    this.#wake();
  }

  #drop(): void {
    this.#messages = [];
    this.#chars = 0;
  }

  #note(trouble: Error): void {
    this.#trouble = trouble;
    this.#troubles++;
    const inMs = this.#tellAt - performance.now();
    if (inMs > 0) this.#timer ??= setTimeout(() => this.#wake(), inMs + 1).unref();
  }

  #dueTrouble(): Error | undefined {
    const trouble = this.#trouble;
    const now = performance.now();
    if (trouble === undefined || now < this.#tellAt) return undefined;
    const others = this.#troubles - 1;
    this.#trouble = undefined;
    this.#troubles = 0;
    this.#tellAt = now + troubleMs;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return others === 0 ? trouble : withOthers(trouble, others);
  }

  #unreadable(error: unknown): Error {
    const why = error instanceof Error ? error.message : shown(error);
    const text = `a message of channel ${this.#channel} cannot be read: ${why}`;
    const { field = "parse", mend } = isPunctualError(error) ? error : {};
    return new InvalidInputError(text, { field, ...(mend === undefined ? {} : { mend }), cause: error });
  }
}

function withOthers(trouble: Error, others: number): Error {
  const text = `${trouble.message}; since the last report, this happened ${others + 1} times`;
  if (!isPunctualError(trouble)) return new Error(text, { cause: trouble });
  const { code, field, mend } = trouble;
  return new PunctualError(code, text, { ...(field === undefined ? {} : { field }), mend, cause: trouble });
}
