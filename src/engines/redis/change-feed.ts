// A schedule source's feed of changes over a Redis channel: what is published there is yielded, what was missed is said to
// be missed by ending, and everything is then loaded.
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/options.ts";
import { type AnnouncedChange, readChange } from "./change-messages.ts";
import { type Subscription, subscribe } from "./change-subscription.ts";
import { checkLocation, type Location } from "./connecting.ts";
import { PendingMessages } from "./pending-messages.ts";

/** Options of `redisChanges`. */
export interface RedisChangesOptions<Row = unknown> {
  /** The channel, by its whole name: a client's `keyPrefix` is not put before it. */
  readonly channel: string;
  /**
   * What a message says; undefined for one that is about something else. By default `{ id, record?, removed?, tenant? }`
   * and the events of redis-distro-scheduler, as JSON. A message for which it throws is reported, and everything is loaded.
   */
  parse?(message: string): AnnouncedChange<Row> | undefined;
}

/** What `scheduleSource` takes as `changes`. An error among the changes is reported, and everything is loaded. */
export type RedisChanges<Row> = (context: {
  readonly signal: AbortSignal;
}) => Promise<AsyncIterableIterator<AnnouncedChange<Row> | Error>>;

const { patienceMs, retryMs } = defaults.redisChanges;

/**
 * The `changes` of a `scheduleSource`: follows a channel of the Redis at a URL, or of an ioredis client or cluster of yours,
 * which is copied, never subscribed and never closed. It ends with an error when its connection does; the source then opens
 * it again, and loads everything.
 * @throws InvalidInputError naming the option at fault
 */
export function redisChanges<Row = unknown>(location: Location, options: RedisChangesOptions<Row>): RedisChanges<Row> {
  checkLocation(location);
  refuseUnknown(options, ["channel", "parse"], "");
  const { channel, parse = readChange as (message: string) => AnnouncedChange<Row> } = options;
  if (typeof channel !== "string" || channel === "") {
    throw new InvalidInputError(`channel must be a text, got ${shown(channel)}`, { field: "channel" });
  }
  if (typeof parse !== "function") {
    throw new InvalidInputError(`parse must be a function, got ${shown(parse)}`, { field: "parse" });
  }
  /** The server could not be reached, and this was reported. */
  let isAway = false;
  return async ({ signal }) => {
    const impatientAt = performance.now() + patienceMs;
    for (;;) {
      try {
        const feed = await new ChangeFeed(new PendingMessages(channel, parse), signal).open(location, channel);
        isAway = false;
        return feed;
      } catch (error) {
        const waits = isAway && performance.now() < impatientAt && !signal.aborted;
        isAway = true;
        if (!waits) throw error;
        // Tried more often than a feed is opened: a server that is back is heard soon.
        await pause(retryMs, signal);
      }
    }
  };
}

/** One opening of the feed. */
class ChangeFeed<Change> implements AsyncIterableIterator<Change | Error> {
  readonly #pending: PendingMessages<Change>;
  readonly #signal: AbortSignal;
  #subscription: Subscription | undefined;
  #lost: Error | undefined;
  #isEnded = false;

  constructor(pending: PendingMessages<Change>, signal: AbortSignal) {
    this.#pending = pending;
    this.#signal = signal;
  }

  async open(location: Location, channel: string): Promise<this> {
    const events = {
      heard: (message: string) => this.#pending.add(message),
      lost: (error: Error) => this.#lose(error),
    };
    this.#subscription = await subscribe(location, channel, events, this.#signal);
    this.#signal.addEventListener("abort", this.#end, { once: true });
    if (this.#signal.aborted) this.#end();
    return this;
  }

  /** @throws what has ended the connection, after all that was heard before it */
  async next(): Promise<IteratorResult<Change | Error, undefined>> {
    for (;;) {
      if (this.#isEnded) return { done: true, value: undefined };
      const value = this.#pending.take();
      if (value !== undefined) return { done: false, value };
      if (this.#lost !== undefined) {
        this.#end();
        throw this.#lost;
      }
      await this.#pending.more();
    }
  }

  async return(): Promise<IteratorResult<Change | Error, undefined>> {
    this.#end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #lose(error: Error): void {
    this.#lost = error;
    this.#pending.wake();
  }

  readonly #end = (): void => {
    this.#isEnded = true;
    this.#signal.removeEventListener("abort", this.#end);
    this.#subscription?.end();
    this.#pending.clear();
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
