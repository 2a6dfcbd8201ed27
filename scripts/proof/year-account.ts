// The account of one schedule's ticks: what preview said against what the audit log tells, each tick exactly once.
import type { PreviewTick } from "../../src/index.ts";
import type { EventView } from "../../src/runtime/event-view.ts";

/** What became of a tick. */
const open = 0;
const fired = 1;
const skipped = 2;

export class Account {
  readonly id: string;
  /** No more fire; those beyond the last of them are no ticks. */
  readonly #maxTicks: number;
  readonly #ticks: number[] = [];
  readonly #dues: number[] = [];
  readonly #fates: number[] = [];
  readonly #shortcomings: string[];
  #at = 0;

  /** @param shortcomings told of everything that is not as it was previewed */
  constructor(id: string, maxTicks: number | undefined, shortcomings: string[]) {
    this.id = id;
    this.#maxTicks = maxTicks ?? Number.POSITIVE_INFINITY;
    this.#shortcomings = shortcomings;
  }

  get size(): number {
    return this.#ticks.length;
  }

  /** Adds previewed ticks, up to and including an instant. */
  expect(preview: readonly PreviewTick[], until: number): void {
    for (const { tick, dueAt } of preview) {
      const at = tick.getTime();
      if (at > until) break;
      if (at <= (this.#ticks.at(-1) ?? Number.NEGATIVE_INFINITY)) this.#wrong(`preview goes back to ${iso(at)}`);
      this.#ticks.push(at);
      this.#dues.push(dueAt.getTime());
      this.#fates.push(open);
    }
  }

  /** Another rule was set: what was previewed beyond an instant no longer holds. */
  forgetAfter(instant: number): void {
    const beyond = this.#ticks.findIndex((tick) => tick > instant);
    if (beyond !== -1) this.#cut(beyond);
    this.#at = 0;
  }

  #cut(index: number): void {
    if (this.#fates.slice(index).some((fate) => fate !== open)) this.#wrong("a tick was dealt with before its time");
    for (const list of [this.#ticks, this.#dues, this.#fates]) list.length = index;
  }

  /** Whether the same ticks, to the ms and with the same jitter, were previewed in one go. A prefix for `maxTicks`. */
  equals(preview: readonly PreviewTick[], until: number, prefix: boolean): boolean {
    const within = preview.filter(({ tick }) => tick.getTime() <= until);
    if (prefix ? within.length > this.size : within.length !== this.size) return false;
    return within.every(({ tick, dueAt }, n) => tick.getTime() === this.#ticks[n] && dueAt.getTime() === this.#dues[n]);
  }

  /** A tick:fired of the log. */
  fire(event: Extract<EventView, { readonly type: "tick:fired" }>): void {
    const { tick, dueAt } = event.data;
    const index = this.#find(tick.getTime());
    if (index === undefined) {
      this.#wrong(`fired ${tick.toISOString()}, which was not previewed`);
      return;
    }
    if (this.#fates[index] !== open) this.#wrong(`fired ${tick.toISOString()}, which was dealt with before`);
    this.#fates[index] = fired;
    const due = this.#dues[index] ?? 0;
    // A tick that was held is due once the job before it has ended.
    const isHeld = dueAt.getTime() > due && dueAt.getTime() === event.at.getTime();
    if (dueAt.getTime() !== due && !isHeld) this.#wrong(`due ${dueAt.toISOString()} instead of ${iso(due)}`);
  }

  /** A tick:skipped of the log: a run of neighbours. */
  skip({ data }: Extract<EventView, { readonly type: "tick:skipped" }>): void {
    const { from, to, count, reason } = data;
    const [first, last] = [this.#find(from.getTime()), this.#find(to.getTime())];
    const run = `${count} skipped as ${reason} from ${from.toISOString()} to ${to.toISOString()}`;
    if (first === undefined || last === undefined) {
      this.#wrong(`${run}: not previewed`);
      return;
    }
    if (last - first + 1 !== count) this.#wrong(`${run}: ${last - first + 1} were previewed`);
    for (let index = first; index <= last; index++) {
      if (this.#fates[index] !== open) this.#wrong(`${run}: ${iso(this.#ticks[index])} was dealt with before`);
      this.#fates[index] = skipped;
    }
  }

  /** Tells of ticks that nothing became of. */
  close(): void {
    const firings = this.#fates.filter((fate) => fate === fired).length;
    if (firings > this.#maxTicks) this.#wrong(`fired ${firings} times, more than ${this.#maxTicks}`);
    if (firings === this.#maxTicks) this.#cut(this.#fates.lastIndexOf(fired) + 1);
    const lost = this.#ticks.filter((_, index) => this.#fates[index] === open);
    if (lost.length > 0) this.#wrong(`nothing became of ${lost.length} ticks, the first ${iso(lost[0])}`);
  }

  #find(tick: number): number | undefined {
    // Ticks mostly come in order.
    if (this.#ticks[this.#at] === tick) return this.#at++;
    let [low, high] = [0, this.#ticks.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ticks[middle] ?? 0) < tick) low = middle + 1;
      else high = middle;
    }
    if (this.#ticks[low] !== tick) return undefined;
    this.#at = low + 1;
    return low;
  }

  #wrong(what: string): void {
    this.#shortcomings.push(`${this.id}: ${what}`);
  }
}

function iso(at: number | undefined): string {
  return at === undefined ? "nothing" : new Date(at).toISOString();
}
