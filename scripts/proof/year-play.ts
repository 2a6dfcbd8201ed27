// Plays a set of schedules under the virtual clock on the memory engine, with downtime and operators, and accounts for
// every tick: what preview said before each month begins against what the audit log tells afterwards.

import { memory } from "../../src/engines/memory/index.ts";
import { type Context, createScheduler, handle, type PreviewTick, type Scheduler, task } from "../../src/index.ts";
import { sleep } from "../../src/runtime/clock.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { Random } from "../../test/simulation/random.ts";
import { Ledger } from "./year-ledger.ts";
import { dayMs, hourMs, type Planned, queues, type Work, yearSet } from "./year-set.ts";

export interface YearOptions {
  readonly seed: number;
  readonly schedules: number;
  readonly from: Date;
  readonly until: Date;
}

/** What a played year has shown. */
export interface YearResult {
  /** By kind: "fired", "skipped as late", ... */
  readonly counts: ReadonlyMap<string, number>;
  readonly ticks: number;
  readonly shortcomings: readonly string[];
  /** Schedules that nobody changed, compared with the one preview of the whole span taken at its start. */
  readonly comparedWhole: number;
}

/** Between two looks at the log, at which operators act too. */
const stepMs = 6 * hourMs;

/** Paused schedules are enabled again after about so long. */
const pausedMs = 36 * hourMs;

/** Longest time that jobs get to end once the last tick has come. */
const drainMs = 30 * dayMs;

/** The most ticks one preview tells. */
const previewMax = 10_000;

/** How long the processes are down, over and over, with some days of work between. */
const downMs = [20_000, 20 * 60_000, 3 * hourMs, 9 * hourMs, 30 * hourMs];

const work = task<Work>("work", { retry: { attempts: 3, backoff: { type: "exponential", delay: "1m" } } });

export async function playYear(options: YearOptions): Promise<YearResult> {
  const year = new Year(options);
  await year.play();
  return year;
}

class Year implements YearResult {
  readonly shortcomings: string[] = [];
  comparedWhole = 0;
  readonly #ledger: Ledger;
  readonly #clock: VirtualClock;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #planned: readonly Planned[];
  readonly #until: number;
  readonly #seed: number;
  #lastEvent = 0;
  #downtimes = 0;
  #nextDownAt: number;

  constructor({ seed, schedules, from, until }: YearOptions) {
    this.#seed = seed;
    this.#until = until.getTime();
    this.#clock = new VirtualClock(from);
    this.#random = new Random(`${seed}/world`);
    this.#planned = yearSet(seed, schedules, from.getTime(), this.#until - from.getTime());
    this.#nextDownAt = from.getTime() + this.#random.between(2, 9) * dayMs;
    this.#ledger = new Ledger(this.#planned, this.#until, this.shortcomings);
    const clock = this.#clock;
    this.#scheduler = createScheduler({
      engine: memory({ clock, retention: { events: "2d", completedCountMax: 5, endedCountMax: 5 } }),
      clock,
      random: this.#random.next,
      handlers: [handle(work, (input, context) => this.#work(input, context))],
      worker: { concurrency: 5_000, lease: "6h", queues },
    });
    this.#scheduler.on("job:completed", ({ id }) => this.#ledger.ended(id, "completed"));
    this.#scheduler.on("worker:error", ({ error, where }) => this.shortcomings.push(`${where}: ${String(error)}`));
  }

  get ticks(): number {
    return this.#ledger.ticks;
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#ledger.counts;
  }

  async play(): Promise<void> {
    const { schedules } = this.#scheduler;
    await schedules.ensureMany(this.#planned.map(({ id, options }) => ({ id, task: work, ...options })));
    const whole = await this.#previewWhole();
    await this.#scheduler.start();
    for (let month = this.#clock.now(); month < this.#until; ) {
      const next = Math.min(nextMonth(month), this.#until);
      for (const one of this.#planned) this.#ledger.account(one.id).expect(await this.#previewAll(one, next), next);
      while (this.#clock.now() < next) await this.#step(next);
      month = next;
    }
    await this.#end();
    this.#compareWhole(whole);
  }

  /** The whole span's ticks as told at its start, of schedules that will not change and have not too many. */
  async #previewWhole(): Promise<ReadonlyMap<string, readonly PreviewTick[]>> {
    const whole = new Map<string, readonly PreviewTick[]>();
    for (const { id, change } of this.#planned) {
      const preview = change === undefined ? await this.#preview(id, this.#until) : [];
      if (change === undefined && preview.length < previewMax) whole.set(id, preview);
    }
    return whole;
  }

  #compareWhole(whole: ReadonlyMap<string, readonly PreviewTick[]>): void {
    for (const { id, options } of this.#planned) {
      const preview = whole.get(id);
      if (preview === undefined) continue;
      this.comparedWhole++;
      // What a skipped tick leaves of `maxTicks` comes later.
      const same = this.#ledger.account(id).equals(preview, this.#until, options.maxTicks !== undefined);
      if (!same) this.shortcomings.push(`${id}: the preview of the whole year is another than that of its months`);
    }
  }

  /** What a schedule's preview tells up to an instant. */
  #preview(id: string, until: number): Promise<readonly PreviewTick[]> {
    return upTo(until, (count) => this.#scheduler.schedules.preview(id, { count }));
  }

  /** The same without `maxTicks`: preview takes every tick to fire, and of those that do not each lets another come. */
  #previewAll({ id, options }: Planned, until: number): Promise<readonly PreviewTick[]> {
    const { maxTicks, ...endless } = options;
    if (maxTicks === undefined) return this.#preview(id, until);
    return upTo(until, (count) => this.#scheduler.schedules.previewOf(id, { ...endless, task: work }, count));
  }

  async #step(month: number): Promise<void> {
    const now = this.#clock.now();
    await this.#operate(now);
    const [ms = 0] = [downMs[this.#downtimes % downMs.length]];
    if (now >= this.#nextDownAt && now + ms + stepMs < month) await this.#beDown(ms);
    else await this.#clock.advance(Math.min(stepMs, month - now));
    await this.#readLog();
  }

  async #beDown(ms: number): Promise<void> {
    this.#downtimes++;
    this.#nextDownAt = this.#clock.now() + ms + this.#random.between(4, 20) * dayMs;
    const began = this.#clock.now();
    await this.#stop();
    // The rest of the step, so that operators go on acting at the same hours.
    await this.#clock.advance(ms);
    await this.#scheduler.start();
    const slept = this.#clock.now() - began;
    await this.#clock.advance((stepMs - (slept % stepMs)) % stepMs);
    this.#ledger.count("downtimes");
  }

  async #stop(): Promise<void> {
    const stopped = this.#scheduler.stop({ timeout: 0 });
    await this.#clock.advance(0);
    await stopped;
  }

  /** Disables, enables and changes what is planned for the step that begins. */
  async #operate(now: number): Promise<void> {
    const { schedules } = this.#scheduler;
    const isNow = (at: number | undefined) => at !== undefined && at >= now && at < now + stepMs;
    for (const { id, disabled, change } of this.#planned) {
      if (isNow(disabled?.at)) {
        await schedules.disable(id);
        this.#ledger.paused.delete(id);
        this.#ledger.count("disabled by an operator");
      }
      if (disabled !== undefined && isNow(disabled.at + disabled.ms)) await schedules.enable(id);
      if (change !== undefined && isNow(change.at)) await this.#change(id, change.to, now);
    }
    for (const [id, at] of this.#ledger.paused) {
      if (now < at + pausedMs) continue;
      this.#ledger.paused.delete(id);
      await schedules.enable(id);
    }
  }

  async #change(id: string, to: NonNullable<Planned["change"]>["to"], now: number): Promise<void> {
    // A rule that has come to its end, or would, is left alone.
    if ((await this.#preview(id, this.#until)).length === 0) return;
    await this.#scheduler.schedules.update(id, to);
    const account = this.#ledger.account(id);
    account.forgetAfter(now);
    const month = Math.min(nextMonth(now), this.#until);
    account.expect(await this.#preview(id, month), month);
    this.#ledger.count("changed by an operator");
  }

  /** Lets what has begun come to its end without another tick, and closes the accounts. */
  async #end(): Promise<void> {
    const { schedules } = this.#scheduler;
    // Ticks of the time that they were disabled are told as they are enabled.
    for (const { id } of this.#planned) {
      if ((await schedules.get(id))?.enabled === false) await schedules.enable(id);
    }
    await this.#readLog();
    await this.#stop();
    await this.#scheduler.start({ roles: ["worker"] });
    for (let ms = 0; ms < drainMs; ms += dayMs) {
      await this.#clock.advance(dayMs);
      await this.#readLog();
    }
    const { completed, failed, cancelled } = (await this.#scheduler.stats()).totals;
    this.#ledger.close(completed + failed + cancelled);
    await this.#stop();
  }

  async #readLog(): Promise<void> {
    for (;;) {
      const type = ["tick:*", "job:failed", "job:cancelled", "schedule:paused", "schedule:disabled"] as const;
      const { items } = await this.#scheduler.events.list({
        type,
        after: this.#lastEvent,
        order: "oldest",
        limit: 1_000,
      });
      for (const event of items) this.#ledger.hear(event);
      this.#lastEvent = items.at(-1)?.id ?? this.#lastEvent;
      if (items.length < 1_000) return;
    }
  }

  async #work({ leastMs, mostMs, failing }: Work, { schedule, tick, attempt, signal }: Context): Promise<void> {
    if (mostMs === 0 && failing === 0) return;
    const luck = new Random(`${this.#seed}/${schedule?.id}/${tick?.at.getTime()}/${attempt}`);
    if (mostMs > 0) await sleep(this.#clock, leastMs + luck.next() * (mostMs - leastMs), signal);
    signal.throwIfAborted();
    if (luck.next() < failing) throw new Error("out of luck");
  }
}

/** Previews more and more until an instant is reached. */
async function upTo(
  until: number,
  preview: (count: number) => Promise<readonly PreviewTick[]>,
): Promise<readonly PreviewTick[]> {
  for (let count = 40; ; count = Math.min(count * 8, previewMax)) {
    const ticks = await preview(count);
    const last = ticks.at(-1)?.tick.getTime() ?? Number.POSITIVE_INFINITY;
    if (ticks.length < count || last > until || count === previewMax) return ticks;
  }
}

function nextMonth(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
