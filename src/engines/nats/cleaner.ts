// Keeping the journal short: its oldest rows are written anew at its end, as a change set that changes nothing, and the
// messages before the oldest row are purged, once the server's disk must have what was written anew. Between the two
// everything is there twice; a crash leaves it so.
import type { Millis } from "../../core/clock.ts";
import type { RowName } from "../../world/change-set.ts";
import type { World } from "../../world/world.ts";
import { pause } from "./answers.ts";
import type { Replica, ReplicaOptions } from "./replica.ts";

/** Rows written anew at a time, and how many times the size of its rows a journal may have. */
const rowsAtOnce = 500;
const factor = 3;
/** After a failure, and between two looks, in ms. */
const pauseMs = 1_000;
const lookMs = 250;

export interface CleanerOptions extends Pick<ReplicaOptions, "way" | "stream" | "subject"> {
  /** Journals below so many bytes are not cleaned. */
  readonly cleanFromBytes: number;
  /** Messages of which nothing is needed any more are purged after so long, in ms. */
  readonly purgeAfterMs: Millis;
}

/** Up to here every row was whole behind it, at that time of this process's timer. */
interface Mark {
  readonly through: number;
  readonly at: Millis;
}

export class Cleaner {
  readonly #options: CleanerOptions;
  readonly #replica: Replica;
  readonly #askForTurn: () => void;
  #marks: Mark[] = [];
  #world: World | undefined;
  #looked = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isCleaning = false;
  #isEnded = false;
  #turn: ((isDone: boolean) => void) | undefined;

  /** @param askForTurn has `takeRows` called when it is this process's turn to write, and then `wrote` */
  constructor(options: CleanerOptions, replica: Replica, askForTurn: () => void) {
    this.#options = options;
    this.#replica = replica;
    this.#askForTurn = askForTurn;
  }

  /** Whether rows are to be written anew. */
  get wantsTurn(): boolean {
    return this.#turn !== undefined;
  }

  /** The rows that are to be written anew. */
  takeRows(): RowName[] {
    return this.#replica.bases.oldest(rowsAtOnce);
  }

  /** They have been, or another process has written first. */
  wrote(isDone: boolean): void {
    const tell = this.#turn;
    this.#turn = undefined;
    tell?.(isDone);
  }

  /** Cleans in the background where there is enough to clean. */
  look(): void {
    const now = performance.now();
    const isSoon = now - this.#looked < Math.min(lookMs, this.#options.purgeAfterMs);
    if (this.#isEnded || this.#isCleaning || isSoon || !this.#replica.isReady) return;
    this.#looked = now;
    this.#mark();
    if (!this.#isBloated && !this.#isPurgeDue) return;
    this.#isCleaning = true;
    void this.#clean()
      .catch(() => pause(pauseMs))
      .finally(() => {
        this.#isCleaning = false;
      });
  }

  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.wrote(false);
  }

  get #isBloated(): boolean {
    const { bytes, live } = this.#replica.bases.size;
    return !this.#isEnded && bytes > this.#options.cleanFromBytes && bytes > factor * live;
  }

  get #isPurgeDue(): boolean {
    const [oldest] = this.#marks;
    return oldest !== undefined && performance.now() - oldest.at >= this.#options.purgeAfterMs;
  }

  /** Of what every row is whole behind; the last message stays, as it says where the journal ends. */
  #mark(): void {
    const { bases, appliedFirst, world } = this.#replica;
    // What was marked in another world may be of a journal that is gone.
    if (world !== this.#world) this.#marks = [];
    this.#world = world;
    const through = Math.min(bases.needlessThrough, appliedFirst - 1);
    if (!bases.mark(through)) return;
    this.#marks.push({ through, at: performance.now() });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), this.#options.purgeAfterMs + lookMs);
    this.#timer.unref();
  }

  async #clean(): Promise<void> {
    await this.#purge();
    while (this.#isBloated && this.takeRows().length > 0) {
      const isDone = await new Promise<boolean>((resolve) => {
        this.#turn = resolve;
        this.#askForTurn();
      });
      if (this.#isEnded) return;
      if (!isDone) await pause(pauseMs);
      if (this.#replica.isReady) this.#mark();
      await this.#purge();
    }
  }

  /** Has the server drop what was marked long enough ago. */
  async #purge(): Promise<void> {
    const { way, stream, subject, purgeAfterMs } = this.#options;
    const { bases, isReady, world } = this.#replica;
    if (!isReady || world !== this.#world) return;
    const now = performance.now();
    const due = this.#marks.findLast(({ at }) => now - at >= purgeAfterMs);
    if (due === undefined) return;
    this.#marks = this.#marks.filter(({ through }) => through > due.through);
    await way.jsm.streams.purge(stream, { filter: subject, seq: due.through + 1 });
    if (world === this.#replica.world) bases.purged(due.through);
  }
}
