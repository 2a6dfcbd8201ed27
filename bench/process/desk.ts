// What a child process does when it is told to: the measured loops, beside the subject and away from the runner.
import { setTimeout as sleep } from "node:timers/promises";
import type { Item, Plan, Session, Tally } from "../runner/subject.ts";
import { type HandledTick, Ledger } from "./ledger.ts";
import { stamp } from "./stamp.ts";

/** A stretch of work: stamps, and the CPU time of this process. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly cpuUs: number;
}

/** A drain: until the store shows that everything is settled. */
export interface Drained extends Span {
  readonly handled: number;
  readonly seen: Uint8Array;
  readonly tally: Tally;
  readonly stalled: boolean;
}

/** When jobs are due: all at once, or spread over a time in an order of their own. */
export interface Due {
  readonly at: number;
  readonly spreadMs?: number;
}

/** A fault put in on purpose, so that the counts can be seen to find it. */
export type Plant = "lost" | "doubled";

/** Without a handler for so long, a drain has stalled, in ms. */
const stallMs = 30_000;

/** Without a handler for so long, a drain may be over all the same, as jobs were lost or are another's, in ms. */
const quietMs = 250;

/** The due time of one of `count` jobs: neighbours in sequence are far apart in time. */
export function dueOf(due: Due, sequence: number, count: number): number {
  return due.at + (due.spreadMs === undefined ? 0 : (((sequence * 7_919) % count) / count) * due.spreadMs);
}

export class Desk {
  readonly #session: Session;
  readonly #plant: Plant | undefined;
  #ledger = new Ledger(0);
  #allHandled = false;
  #began: { readonly from: number; readonly cpu: NodeJS.CpuUsage } | undefined;
  #endSnapshot: (() => unknown) | undefined;

  constructor(session: Session, plant: Plant | undefined) {
    this.#session = session;
    this.#plant = plant;
  }

  /** Handlers run so far, for the progress line. */
  get handled(): number {
    return this.#ledger.handled;
  }

  /** Enqueues one by one: each of so many awaiters awaits one call at a time. */
  async enqueueEach(first: number, count: number, awaiters: number): Promise<Span> {
    const enqueue = able(this.#session.enqueue, "enqueue").bind(this.#session);
    let next = first;
    const end = first + count;
    return await timed(async () => {
      const await_ = async () => {
        while (next < end) await enqueue({ sequence: next++ });
      };
      await Promise.all(Array.from({ length: awaiters }, await_));
    });
  }

  /** Enqueues in bulk, so many in one call, or one by one where there is no such call; `due` for jobs of later. */
  async enqueueBulk(first: number, count: number, size: number, due?: Due): Promise<Span> {
    const { enqueueMany } = this.#session;
    const enqueue = able(this.#session.enqueue, "enqueue").bind(this.#session);
    return await timed(async () => {
      for (let from = first; from < first + count; from += size) {
        const length = Math.min(size, first + count - from);
        const items = Array.from({ length }, (_, index): Item => {
          const sequence = from + index;
          return due === undefined ? { sequence } : { sequence, dueAt: Math.round(dueOf(due, sequence, count)) };
        });
        const sent = from + size >= first + count ? planted(items, this.#plant) : items;
        if (enqueueMany !== undefined) await enqueueMany.call(this.#session, sent);
        else for (const item of sent) await enqueue(item);
      }
    });
  }

  /** Enqueues at random moments; answers when each call was made. */
  async enqueueNowAndThen(count: number, gapMs: readonly [number, number]): Promise<Float64Array> {
    const enqueue = able(this.#session.enqueue, "enqueue").bind(this.#session);
    const calledAt = new Float64Array(count);
    for (let sequence = 0; sequence < count; sequence++) {
      await sleep(gapMs[0] + Math.random() * (gapMs[1] - gapMs[0]));
      calledAt[sequence] = stamp();
      await enqueue({ sequence });
    }
    return calledAt;
  }

  /** So many awaiters enqueue until the time is over, in ms; answers how many. */
  async enqueueFor(ms: number, awaiters: number): Promise<Span & { readonly count: number }> {
    const enqueue = able(this.#session.enqueue, "enqueue").bind(this.#session);
    let next = 0;
    const until = stamp() + ms;
    const span = await timed(async () => {
      const await_ = async () => {
        while (stamp() < until) {
          await enqueue({ sequence: next++ });
          // Beside a worker of the same process each awaiter takes its turn, or the worker would hardly get one.
          if (this.#began !== undefined) await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all(Array.from({ length: awaiters }, await_));
    });
    return { ...span, count: next };
  }

  /** Starts the worker; `expected` sizes the ledger. The clock of the drain starts here. */
  async work(expected: number, keep: { readonly stamps?: boolean; readonly ticks?: boolean } = {}): Promise<void> {
    const ledger = new Ledger(expected, keep);
    this.#ledger = ledger;
    this.#allHandled = false;
    this.#began = { from: stamp(), cpu: process.cpuUsage() };
    await able(this.#session.work, "work").call(this.#session, (sequence, tickAt) => ledger.note(sequence, tickAt));
  }

  /** The handlers of all workers together have run as often as there are jobs. */
  async allHandled(): Promise<void> {
    this.#allHandled = true;
  }

  /** Waits until the store shows nothing unfinished but `left`, and says how it went since `work`. */
  async drained(expected: number, left = 0, withinMs = Number.POSITIVE_INFINITY): Promise<Drained> {
    const until = stamp() + withinMs;
    const began = this.#began ?? { from: stamp(), cpu: process.cpuUsage() };
    let handled = -1;
    let movedAt = stamp();
    let tally = await this.tally();
    while (tally.unfinished > left) {
      const ledger = this.#ledger;
      if (ledger.handled !== handled) movedAt = stamp();
      if (stamp() - movedAt > stallMs || stamp() > until) break;
      // Counting is left for when it may be over, so that it takes no time from the drain.
      const isAll = ledger.handled >= expected || this.#allHandled;
      const mayBeOver = isAll || stamp() - movedAt > quietMs;
      handled = ledger.handled;
      if (isAll) await new Promise((resolve) => setImmediate(resolve));
      else await sleep(2);
      if (mayBeOver) tally = await this.tally();
    }
    const to = stamp();
    const { user, system } = process.cpuUsage(began.cpu);
    const stalled = tally.unfinished > left;
    return {
      from: began.from,
      to,
      cpuUs: user + system,
      handled: this.handled,
      seen: this.#ledger.seen.slice(0, expected),
      tally,
      stalled,
    };
  }

  /** Waits until so many handlers have run, or the time is over. */
  async handledBy(count: number, ms: number): Promise<number> {
    const until = stamp() + ms;
    while (this.handled < count && stamp() < until) await sleep(2);
    return this.handled;
  }

  async handledNow(): Promise<number> {
    return this.handled;
  }

  async startedAt(): Promise<Float64Array> {
    return this.#ledger.startedAt;
  }

  async ticks(): Promise<readonly HandledTick[]> {
    return this.#ledger.ticks;
  }

  /** Registers rules, so many in one call. */
  async schedule(plans: readonly Plan[], size: number): Promise<Span> {
    const schedule = able(this.#session.schedule, "schedule").bind(this.#session);
    return await timed(async () => {
      for (let from = 0; from < plans.length; from += size) await schedule(plans.slice(from, from + size));
    });
  }

  /** Registers `count` rules that do not tick during the run; made here, as a million are too many to send. */
  async scheduleDormant(first: number, count: number, size: number): Promise<Span> {
    const schedule = able(this.#session.schedule, "schedule").bind(this.#session);
    return await timed(async () => {
      for (let from = first; from < first + count; from += size) {
        const plans = Array.from({ length: Math.min(size, first + count - from) }, (_, index) =>
          dormantPlan(from + index),
        );
        await schedule(plans);
      }
    });
  }

  async countSchedules(): Promise<number> {
    return await able(this.#session.countSchedules, "countSchedules").call(this.#session);
  }

  async tally(): Promise<Tally> {
    return await able(this.#session.tally, "tally").call(this.#session);
  }

  /** Memory after a collection, and CPU while nothing is asked of it for so long. */
  async idle(ms: number): Promise<{ readonly rssMb: number; readonly heapMb: number; readonly cpuShare: number }> {
    (globalThis as { gc?: () => void }).gc?.();
    const cpu = process.cpuUsage();
    const from = stamp();
    await sleep(ms);
    const { user, system } = process.cpuUsage(cpu);
    const cpuShare = (user + system) / 1_000 / (stamp() - from);
    const { rss, heapUsed } = process.memoryUsage();
    return { rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20, cpuShare };
  }

  async holdSnapshot(): Promise<void> {
    this.#endSnapshot = await able(this.#session.holdSnapshot, "holdSnapshot").call(this.#session);
  }

  async close(): Promise<void> {
    await this.#endSnapshot?.();
    await this.#session.close();
  }
}

/** A rule that ticks once a year, months away: which minute differs, as it would. */
export function dormantPlan(sequence: number): Plan {
  const month = ((new Date().getUTCMonth() + 6) % 12) + 1;
  return { sequence, cron: `0 ${sequence % 60} ${Math.floor(sequence / 60) % 24} 1 ${month} *` };
}

function able<Method>(method: Method | undefined, name: string): Method {
  if (method === undefined) throw new Error(`this subject has no ${name}: its list of abilities is wrong`);
  return method;
}

async function timed(work: () => Promise<void>): Promise<Span> {
  const cpu = process.cpuUsage();
  const from = stamp();
  await work();
  const to = stamp();
  const { user, system } = process.cpuUsage(cpu);
  return { from, to, cpuUs: user + system };
}

function planted(items: readonly Item[], plant: Plant | undefined): readonly Item[] {
  const last = items.at(-1);
  if (plant === undefined || last === undefined) return items;
  return plant === "lost" ? items.slice(0, -1) : [...items, last];
}
