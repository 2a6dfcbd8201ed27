// The load of the chaos proofs: tasks whose handlers write each effect down, schedules that tick every second, and a
// producer that enqueues in every way there is. Shared by the processes and by who starts them.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Context,
  cron,
  type Enqueued,
  every,
  type Handler,
  handle,
  hasCode,
  type ScheduleItem,
  type Scheduler,
  task,
} from "punctual";
import type { Journal } from "./effects.ts";
import type { Place } from "./place.ts";

/** What a producer's job carries: who asked, and his how manieth request it is. */
export interface Request {
  readonly by: number;
  readonly n: number;
}

/** What a process of a chaos proof is told. */
export interface ChaosProcess {
  readonly mode: "producer" | "worker";
  readonly place: Place;
  readonly folder: string;
  readonly audit: "changes" | "all";
  readonly leaseMs: number;
  readonly queues: readonly string[];
}

/** So many finished jobs are kept that none ever goes. */
export const keepsAll = { completedCountMax: 1_000_000, endedCountMax: 1_000_000 };

/** Longer than the lease of 2 s, so that leases are extended while the store is away. */
const slowMs = 3_000;
/** A queue that only probes use: its worker is idle between them. */
export const quietQueue = "quiet";
/** A queue for jobs that someone claims and holds. */
export const holderQueue = "holder";

const quick = task<Request>("quick");
const slow = task<Request>("slow");
const flaky = task<Request>("flaky", { retry: { backoff: { type: "fixed", delay: 200 } } });
/** What ticks make. */
const tick = task("tick");
/** A job of the proof itself. */
export const probe = task("probe");

/** Handlers that write down when they begin and when their effect has taken place. */
export function loadHandlers(journal: Journal): Handler[] {
  const journalled = async (ctx: Context, work: () => Promise<void>) => {
    const { id } = ctx.job;
    const ofTick = ctx.tick === undefined ? {} : { schedule: ctx.schedule?.id ?? "", tick: ctx.tick.at.getTime() };
    const about = { job: id, attempt: ctx.attempt, ...ofTick };
    journal.write({ kind: "started", ...about });
    await work();
    journal.write({ kind: "done", ...about });
    return { pid: process.pid, attempt: ctx.attempt };
  };
  const brief = () => sleep(Math.random() * 10);
  return [
    handle(quick, (_input, ctx) => journalled(ctx, brief)),
    handle(tick, (_input, ctx) => journalled(ctx, brief)),
    handle(probe, (_input, ctx) => journalled(ctx, async () => {})),
    // Heeds no signal: whoever loses his lease finds out when he settles.
    handle(slow, (_input, ctx) => journalled(ctx, () => sleep(slowMs))),
    handle(flaky, (_input, ctx) => {
      if (ctx.failures === 0) throw new Error("the first attempt fails");
      return journalled(ctx, brief);
    }),
  ];
}

/** Schedules of every overlap and catch-up policy that a second's tick can meet. */
export const loadSchedules: readonly ScheduleItem[] = [
  { id: "every-second", task: tick, when: every("1s"), overlap: "allow", catchUp: "all" },
  { id: "every-second-latest", task: tick, when: every("1s"), overlap: "allow" },
  { id: "cron-second", task: tick, when: cron("* * * * * *"), overlap: "skip", catchUp: "all" },
  { id: "cron-second-queued", task: tick, when: cron("* * * * * *"), overlap: "queue" },
  { id: "cron-second-replaced", task: tick, when: cron("* * * * * *"), overlap: "replace" },
];

/** Enqueues until it is told to end; an id is written down only once the store has acknowledged it. */
export class Producer {
  readonly #scheduler: Scheduler<never>;
  readonly #journal: Journal;
  #requests = 0;
  #ends = false;

  constructor(scheduler: Scheduler<never>, journal: Journal) {
    this.#scheduler = scheduler;
    this.#journal = journal;
  }

  end(): void {
    this.#ends = true;
  }

  async run(): Promise<void> {
    for (let round = 0; !this.#ends; round++) {
      await Promise.all([...this.#plain(round), ...this.#delayed(round), ...this.#keyed(round), this.#together(round)]);
      await sleep(40);
    }
  }

  #plain(round: number): Promise<void>[] {
    const { enqueue } = this.#scheduler.jobs;
    const add = enqueue.bind(this.#scheduler.jobs);
    const tenant = `tenant-${round % 5}`;
    return [
      this.#acknowledged("plain", (input, id) => add(quick, input, { tenant, ...id })),
      this.#acknowledged("plain", (input, id) => add(flaky, input, { tenant, priority: "high", ...id })),
      ...(round % 20 === 0 ? [this.#acknowledged("plain", (input, id) => add(slow, input, { tenant, ...id }))] : []),
    ];
  }

  #delayed(round: number): Promise<void>[] {
    const tenant = `tenant-${round % 5}`;
    const delays = [(round * 137) % 3_000, (round * 571) % 3_000];
    return delays.map((delay) =>
      this.#acknowledged("timer", (input, id) => this.#scheduler.enqueue(quick, input, { tenant, delay, ...id })),
    );
  }

  #keyed(round: number): Promise<void>[] {
    const key = `key-${round % 7}`;
    const delay = (round * 71) % 1_500;
    return [
      this.#acknowledged("keyed", (input, id) => this.#scheduler.enqueue(quick, input, { key, ...id })),
      this.#acknowledged("keyed", (input, id) =>
        this.#scheduler.timers.put(quick, input, { key: `timer-${round % 5}`, delay, ...id }),
      ),
    ];
  }

  async #together(round: number): Promise<void> {
    const inputs = [this.#request(), this.#request(), this.#request()];
    const answers = await untilAnswered((ids) =>
      this.#scheduler.enqueueMany(
        inputs.map((input, index) => {
          const id = ids?.[index];
          return { task: quick, input, ...(id === undefined ? {} : { id }) };
        }),
        { tenant: `tenant-${round % 5}` },
      ),
    );
    for (const { id } of answers) this.#journal.write({ kind: "accepted", job: id, text: "plain" });
  }

  async #acknowledged(
    text: "plain" | "timer" | "keyed",
    enqueue: (input: Request, id: { readonly id?: string }) => Promise<Enqueued>,
  ): Promise<void> {
    const input = this.#request();
    const { id, outcome } = await untilAnswered((ids) => enqueue(input, ids?.[0] === undefined ? {} : { id: ids[0] }));
    // What was there already, or took another's place, is not this request's own.
    this.#journal.write({ kind: "accepted", job: id, text: outcome === "created" ? text : "keyed" });
  }

  #request(): Request {
    this.#requests++;
    return { by: process.pid, n: this.#requests };
  }
}

/**
 * Makes a call until the store answers it: with the ids that it may have written under, where the outcome was unknown;
 * anew where nothing was written.
 */
export async function untilAnswered<T>(call: (ids: readonly string[] | undefined) => Promise<T>): Promise<T> {
  let ids: readonly string[] | undefined;
  for (;;) {
    try {
      return await call(ids);
    } catch (error) {
      if (hasCode(error, "OUTCOME_UNKNOWN")) ids = idsOf(error) ?? ids;
      else if (!hasCode(error, "NOT_WRITTEN")) throw error;
      await sleep(100);
    }
  }
}

function idsOf(error: unknown): readonly string[] | undefined {
  const details: unknown = error instanceof Error && "details" in error ? error.details : undefined;
  if (typeof details !== "object" || details === null || !("ids" in details)) return undefined;
  return details.ids as readonly string[];
}
