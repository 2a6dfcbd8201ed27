// Taking turns: of processes that write at once one is let in, and would be let in again before the others have read what
// it wrote. Who was overtaken says beforehand, for a while, that it wants to write, and who hears it lets it go first. Only
// a courtesy: what a message is made for decides, and who says nothing waits for nobody.
import type { Subscription } from "@nats-io/transport-node";
import type { Way } from "./connecting.ts";

/** Another is waited for as long as so many writes of one's own take, within these bounds in ms: a slow machine is slow for all. */
const patience = { writes: 20, leastMs: 50, mostMs: 1_000 } as const;
/** How much the last write weighs in the average of what they take. */
const lastWeight = 0.1;
/** A process that was overtaken so often in a row says, for so long in ms, that it wants to write. */
const crowded = { times: 2, ms: 500 } as const;

export class Turns {
  readonly #way: Way;
  readonly #subject: string;
  readonly #writer: string;
  readonly #wanting = new Set<string>();
  #subscription: Subscription | undefined;
  #wake: (() => void) | undefined;
  #writeMs = 0;
  #overtaken = 0;
  #crowdedUntil = 0;

  /** @param writer this process, as its change sets name it */
  constructor(way: Way, subject: string, writer: string) {
    this.#way = way;
    // Beside the answers to requests, as streams take what is written under the store's own prefix.
    this.#subject = `${way.inboxPrefix ?? "_INBOX"}.punctual.${subject}`;
    this.#writer = writer;
  }

  start(): void {
    this.#subscription = this.#way.nc.subscribe(this.#subject, {
      callback: (error, message) => {
        // Who may not listen is not polite, and no more.
        if (error !== null) return;
        const writer = message.string();
        if (writer !== this.#writer) this.#wanting.add(writer);
      },
    });
  }

  stop(): void {
    if (this.#isOpen) this.#subscription?.unsubscribe();
    this.#wanting.clear();
    this.#wake?.();
  }

  /** Waits until it is this process's turn to write, or for a moment. */
  async enter(): Promise<void> {
    if (this.#wanting.size > 0) await this.#letGo();
    if (performance.now() > this.#crowdedUntil || !this.#isOpen) return;
    this.#way.nc.publish(this.#subject, this.#writer);
    // What others have sent before they hear it is here when the server has answered.
    await Promise.race([this.#way.nc.flush().catch(() => {}), pause(patience.leastMs)]);
    // Of two that want at once the same one goes first for both.
    for (const writer of this.#wanting) if (writer > this.#writer) this.#wanting.delete(writer);
    if (this.#wanting.size > 0) await this.#letGo();
  }

  /** A write of this process's took so long, and was let in or was not. */
  wrote(ms: number, isIn: boolean): void {
    this.#writeMs += lastWeight * (ms - this.#writeMs);
    this.#overtaken = isIn ? 0 : this.#overtaken + 1;
    const now = performance.now();
    const isCrowded = this.#overtaken >= crowded.times || (this.#overtaken > 0 && now < this.#crowdedUntil);
    if (isCrowded) this.#crowdedUntil = now + crowded.ms;
  }

  /** Another process has written. */
  heard(writer: string): void {
    if (this.#wanting.delete(writer) && this.#wanting.size === 0) this.#wake?.();
  }

  get #isOpen(): boolean {
    return !this.#way.nc.isClosed() && !this.#way.nc.isDraining();
  }

  async #letGo(): Promise<void> {
    const ms = Math.min(patience.mostMs, Math.max(patience.leastMs, patience.writes * this.#writeMs));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    this.#wanting.clear();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
