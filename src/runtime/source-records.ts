// Reading what a source's own calls answer: records and changes, one by one, never waiting longer than it may.
import { formatDuration, shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { RuntimeClock } from "./clock.ts";

/** How long a wait may take. */
export interface Patience {
  readonly clock: RuntimeClock;
  /** Ends every wait when it aborts: the wait is then rejected with its reason. */
  readonly signal: AbortSignal;
  /** No wait for one answer is longer, in ms; absent: it may take for ever. */
  readonly limitMs?: number;
}

/** What a call of the user's answers, unless the signal aborts or it takes too long; what comes later is ignored. */
export function awaited<T>(answer: T | Promise<T>, what: string, { clock, signal, limitMs }: Patience): Promise<T> {
  const answered = Promise.resolve(answer);
  // Whatever becomes of the wait: a rejection that nobody listens to would end the process.
  answered.catch(() => {});
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal.reason));
    const cancel =
      limitMs === undefined
        ? () => {}
        : clock.after(limitMs, () =>
            settle(() => reject(new Error(`${what} gave no answer within ${formatDuration(limitMs)}`))),
          );
    const settle = (end: () => void) => {
      cancel();
      signal.removeEventListener("abort", onAbort);
      end();
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    answered.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/**
 * The members of an array, an iterable or an async iterable. One that is left early is told so, and not waited for.
 * @throws InvalidInputError for anything else
 */
export async function* each(several: unknown, what: string, patience: Patience): AsyncGenerator<unknown> {
  const { signal } = patience;
  if (isIterable(several)) {
    for (const member of several) {
      signal.throwIfAborted();
      yield member;
    }
    return;
  }
  if (!isAsyncIterable(several)) {
    throw new InvalidInputError(`${what} must answer an array or another iterable, got ${shown(several)}`, {
      field: what,
    });
  }
  const iterator = several[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await awaited(iterator.next(), what, patience);
      if (done === true) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    // A generator that waits for something of its own ends only after that: nobody waits for it here.
    if (!ended) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
