// Following the audit log: by polling from the last id seen, sooner when the engine signals. Ids are seen in their order
// (EventStore), so nothing is missed and nothing comes twice.
import { defaults } from "../core/defaults.ts";
import type { EventStore } from "../core/engine.ts";
import { hasCode } from "../core/errors.ts";
import type { EventFilter, StoredEvent } from "../core/events.ts";
import type { ClientHost } from "./client-host.ts";
import { backoffMs, sleep } from "./clock.ts";
import { type EventView, viewEvent } from "./event-view.ts";

interface Start {
  /** The id of the last event that has been seen; absent: the newest there is. */
  readonly after: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export async function* followEvents(
  host: ClientHost,
  filter: EventFilter,
  { after, signal }: Start,
): AsyncGenerator<EventView, void, undefined> {
  const bell = new Bell(host, signal);
  try {
    const { watch } = await host.engine();
    // Asked for each time: a scheduler that has been stopped has none.
    const log = async () => (await host.engine()).events;
    const unwatch = await watch?.(() => bell.ring());
    try {
      let seen = after ?? (await patiently(bell, async () => newestId(await log())));
      while (!bell.ended) {
        const found = await patiently(bell, async () => readOn(await log(), filter, seen ?? 0));
        for (const event of found?.items ?? []) {
          if (bell.ended) return;
          yield viewEvent(event);
        }
        seen = found?.seen ?? seen;
        if (found?.more !== true) await bell.wait(defaults.pollHorizonMs);
      }
    } finally {
      await unwatch?.();
    }
  } catch (error) {
    // The scheduler's stop is the end of its tails.
    if (!(bell.began && hasCode(error, "STOPPED"))) throw error;
  }
}

interface Found {
  readonly items: readonly StoredEvent[];
  /** Everything up to this id has been looked at. */
  readonly seen: number;
  readonly more: boolean;
}

async function readOn(events: EventStore, filter: EventFilter, seen: number): Promise<Found> {
  // Asked first: what comes after it is looked at the next time.
  const newest = await newestId(events);
  if (newest <= seen) return { items: [], seen, more: false };
  const { items, next } = await events.list(
    { ...filter, afterId: seen },
    { limit: defaults.pageLimitMax, order: "oldest" },
  );
  const last = items.at(-1)?.id ?? seen;
  return next === undefined ? { items, seen: Math.max(newest, last), more: false } : { items, seen: last, more: true };
}

async function newestId(events: EventStore): Promise<number> {
  return (await events.list({}, { limit: 1 })).items[0]?.id ?? 0;
}

/** Makes a call again while the store is away, until the tail ends. */
async function patiently<T>(bell: Bell, call: () => Promise<T>): Promise<T | undefined> {
  for (let failures = 0; !bell.ended; failures++) {
    try {
      const answer = await call();
      bell.began = true;
      return answer;
    } catch (error) {
      if (!hasCode(error, "NOT_WRITTEN") && !hasCode(error, "OUTCOME_UNKNOWN")) throw error;
      await bell.pause(backoffMs(failures, 0));
    }
  }
  return undefined;
}

/** Wakes a tail that waits; what rings while it does not wait is remembered. */
class Bell {
  readonly #host: ClientHost;
  readonly #signal: AbortSignal | undefined;
  #rung = false;
  #wake = () => {};
  began = false;

  constructor(host: ClientHost, signal: AbortSignal | undefined) {
    this.#host = host;
    this.#signal = signal;
  }

  get ended(): boolean {
    return this.#signal?.aborted === true;
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Until it rings, or so long; a busy store rings often, and is not asked more often than every few ms. */
  async wait(ms: number): Promise<void> {
    await this.pause(defaults.tailPauseMs);
    if (!this.#rung && !this.ended) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const signals = this.#signal === undefined ? [woken.signal] : [woken.signal, this.#signal];
      await sleep(this.#host.clock, ms, AbortSignal.any(signals));
      this.#wake = () => {};
    }
    this.#rung = false;
  }

  async pause(ms: number): Promise<void> {
    await sleep(this.#host.clock, ms, this.#signal);
  }
}
