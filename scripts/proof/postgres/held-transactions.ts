// Two transactions that stay open for long, beside ordinary load: a handler's that has called `ctx.complete(tx)`, and a
// forgotten one with a keyed enqueue. Nobody else may have to wait for them (O2).
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { createScheduler, every, handle, hasCode, type Scheduler, task } from "punctual";
import { connect } from "punctual/connect";
import type { Engine, Extension } from "../../../src/core/engine.ts";
import { leaseOf } from "../../../src/core/settling.ts";
import { keepsAll } from "../chaos/load.ts";
import { type CallTimes, SettleTimes, type TimedCalls, timeCalls } from "./held-load.ts";
import { heldName, LockWatch } from "./lock-watch.ts";

/** What became of it. */
export interface HeldOutcome {
  readonly before: readonly CallTimes[];
  readonly during: readonly CallTimes[];
  /** How long a second enqueue of the forgotten key took to be refused, in ms, and the longest call beside it. */
  readonly refusedAfterMs: number;
  readonly besideRefusedMs: number;
  readonly jobsDoneDuring: number;
  readonly ticksDuring: number;
  readonly shortcomings: readonly string[];
}

/** The tenant of both held transactions, and of all that goes on beside them. */
const tenant = "acme";
const forgottenKey = "forgotten";
const leaseMs = 2_000;
const extendedQueue = "extended";
const extendedJobs = 20;
const ordinary = task("ordinary");
const holds = task("holds");

/** Who takes part: two schedulers of one process, the second without guardrails and with a pool of its own. */
interface Parties {
  readonly engine: Engine<pg.ClientBase>;
  readonly scheduler: Scheduler<pg.ClientBase>;
  readonly unlimited: Scheduler<never>;
  readonly settles: SettleTimes;
  readonly watcher: pg.Client;
}

/** A job whose handler completes it in a transaction that stays open until it is let go. */
class HeldCompletion {
  readonly #url: string;
  #isTaken = false;
  #isOpen: (job: string) => void = () => {};
  #letGo = () => {};
  /** The job, once its completion is written and the transaction open. */
  readonly open = new Promise<string>((resolve) => {
    this.#isOpen = resolve;
  });
  readonly #let = new Promise<void>((resolve) => {
    this.#letGo = resolve;
  });

  constructor(url: string) {
    this.#url = url;
  }

  /** Only the first job is held: others of its schedule end at once. */
  readonly handler = handle(holds, async (_input, ctx) => {
    if (this.#isTaken) return;
    this.#isTaken = true;
    const client = new pg.Client({ connectionString: this.#url, application_name: heldName });
    await client.connect();
    await client.query("BEGIN");
    await ctx.complete(client, "in the handler's transaction");
    this.#isOpen(ctx.job.id);
    await this.#let;
    await client.query("COMMIT");
    await client.end();
  });

  letGo(): void {
    this.#letGo();
  }
}

export interface HeldOptions {
  /** How long is measured without the transactions, and how long with them, in ms. */
  readonly calmMs: number;
  readonly heldMs: number;
  /** The held job is a tick's, of a schedule that goes on ticking. */
  readonly ofSchedule?: boolean;
}

/** Measures for a while without the transactions, then with them. */
export async function holdTransactions(url: string, options: HeldOptions): Promise<HeldOutcome> {
  const completion = new HeldCompletion(url);
  const settles = new SettleTimes();
  const engine = await connect<pg.ClientBase>(url, { retention: keepsAll });
  const scheduler = createScheduler({
    engine,
    handlers: [completion.handler, handle(ordinary, (_input, ctx) => settles.handlerEnded(ctx.job.id))],
    worker: { lease: leaseMs, concurrency: 20, queues: ["default"] },
    guardrails: { maxPendingJobs: 1_000_000 },
  });
  const unlimited = createScheduler({ engine: await connect(url, { retention: keepsAll }) });
  const forgotten = new pg.Client({ connectionString: url, application_name: heldName });
  const watcher = new pg.Client(url);
  await Promise.all([forgotten.connect(), watcher.connect()]);
  try {
    return await play({ engine, scheduler, unlimited, settles, watcher }, completion, forgotten, options);
  } finally {
    completion.letGo();
    await Promise.all([forgotten.end(), watcher.end()]);
    await Promise.all([scheduler.stop({ timeout: "5s" }), unlimited.stop()]);
  }
}

async function play(
  parties: Parties,
  completion: HeldCompletion,
  forgotten: pg.Client,
  { calmMs, heldMs, ofSchedule = false }: HeldOptions,
): Promise<HeldOutcome> {
  const { engine, scheduler, settles, watcher } = parties;
  const shortcomings: string[] = [];
  scheduler.on("job:completed", ({ id }) => settles.settled(id));
  scheduler.on("worker:error", ({ where, error }) => shortcomings.push(`worker: ${where}: ${error}`));
  const everySecond = { tenant, when: every("1s"), overlap: "allow" } as const;
  await scheduler.schedules.create("second", { task: ordinary, ...everySecond });
  await scheduler.start();
  const extensions = await claimForExtension(parties);
  const before = await measured(parties, callsOf(parties, extensions, shortcomings), calmMs);

  if (ofSchedule) await scheduler.schedules.create("report", { task: holds, ...everySecond });
  else await scheduler.enqueue(holds, undefined, { tenant });
  const heldId = await completion.open;
  await forgotten.query("BEGIN");
  const lost = await scheduler.using(forgotten).enqueue(ordinary, undefined, { tenant, key: forgottenKey });
  const from = await progressOf(scheduler);
  const held = await engine.jobs.get(heldId);
  const ofHeld = held?.token === undefined ? [] : [{ lease: leaseOf({ ...held, token: held.token }) }];
  if (ofHeld.length === 0) shortcomings.push("the completion is seen before its transaction has committed");
  const watch = new LockWatch(watcher);
  const during = await measured(parties, callsOf(parties, [...extensions, ...ofHeld], shortcomings), heldMs);
  shortcomings.push(...(await watch.end()).map((statement) => `waits for an open transaction: ${statement}`));
  const to = await progressOf(scheduler);
  shortcomings.push(...failuresOf([...before, ...during]));
  const control = new LockWatch(watcher);
  const refusal = await refuseOpenKey(parties, shortcomings);
  if ((await control.end()).length === 0) shortcomings.push("the one that must wait was not seen to");

  const still = await engine.jobs.get(heldId);
  if (still?.state !== "active" || still.attempt !== 1) shortcomings.push(`the held job is ${still?.state} meanwhile`);
  completion.letGo();
  await forgotten.query("ROLLBACK");
  const again = await scheduler.enqueue(ordinary, undefined, { tenant, key: forgottenKey });
  if (again.outcome !== "created") shortcomings.push("the key of a rolled back enqueue is still taken");
  if ((await engine.jobs.get(lost.id)) !== undefined) shortcomings.push("a rolled back enqueue has left its job");
  const ended = await endOf(engine, heldId);
  if (ended?.attempt !== 1 || ended.attempts.length !== 1) shortcomings.push("the held job was attempted again");
  return {
    before,
    during,
    ...refusal,
    jobsDoneDuring: to.done - from.done,
    ticksDuring: to.ticks - from.ticks,
    shortcomings,
  };
}

async function measured({ settles }: Parties, calls: TimedCalls, forMs: number): Promise<CallTimes[]> {
  const times = await timeCalls(calls, sleep(forMs));
  return [...times, settles.take()];
}

/** A second enqueue of the key in the open transaction: who asks for it is refused, and only he. */
async function refuseOpenKey({ scheduler, unlimited }: Parties, shortcomings: string[]) {
  const startedAt = performance.now();
  let refusedAfterMs = 0;
  const refused = scheduler.enqueue(ordinary, undefined, { tenant, key: forgottenKey }).then(
    ({ id }) => shortcomings.push(`the open key was given to ${id}`),
    (error: unknown) => {
      refusedAfterMs = performance.now() - startedAt;
      if (!hasCode(error, "NOT_WRITTEN")) shortcomings.push(`a second enqueue of the open key came to ${error}`);
    },
  );
  const besides = await timeCalls(
    {
      "of the same process": () => scheduler.enqueue(ordinary, undefined, { tenant }),
      "of another process": () => unlimited.enqueue(ordinary, undefined, { tenant }),
    },
    refused,
  );
  shortcomings.push(...besides.flatMap(({ failures }) => failures));
  return { refusedAfterMs, besideRefusedMs: Math.max(...besides.map(({ longestMs: longest }) => longest)) };
}

/** Completed jobs, and ticks of the ordinary schedule, so far. */
async function progressOf(scheduler: Scheduler<pg.ClientBase>) {
  const { totals } = await scheduler.stats();
  const second = await scheduler.tenant(tenant).schedules.get("second");
  return { done: totals.completed, ticks: second?.ticksFired ?? 0 };
}

/** Claims jobs that nobody runs: their leases are extended by hand. */
async function claimForExtension({ engine, scheduler }: Parties): Promise<Extension[]> {
  const items = Array.from({ length: extendedJobs }, () => ({ task: ordinary, input: undefined }));
  await scheduler.enqueueMany(items, { tenant, queue: extendedQueue });
  const { jobs } = await engine.jobs.claim({
    claimId: "00000000000000ee",
    worker: "extender",
    leaseMs: 10 * leaseMs,
    limit: extendedJobs,
    starts: extendedJobs,
    bytesMax: 1_000_000,
    wants: [{ queue: extendedQueue, limit: extendedJobs }],
  });
  return jobs.map((job) => ({ lease: leaseOf(job) }));
}

/**
 * All of the same tenant as the held ones, whose counts and limits they share.
 * @param extensions those that are free, then the one that is held
 */
function callsOf(
  { engine, scheduler, unlimited }: Parties,
  extensions: readonly Extension[],
  shortcomings: string[],
): TimedCalls {
  return {
    extension: async () => {
      const outcomes = await engine.jobs.extend(extensions, 10 * leaseMs);
      const odd = outcomes.filter((outcome, index) => outcome !== (index < extendedJobs ? "held" : "unextended"));
      if (odd.length > 0) shortcomings.push(`of ${outcomes.length} extensions ${odd.length} were ${odd[0]}`);
    },
    "plain insert": () => unlimited.enqueue(ordinary, undefined, { tenant }),
    "keyed insert": (n) => unlimited.enqueue(ordinary, undefined, { tenant, key: `other-${n}` }),
    "timer replaced": (n) => unlimited.timers.put(ordinary, undefined, { tenant, key: `timer-${n % 5}`, delay: 500 }),
    "insert within guardrails": () => scheduler.enqueue(ordinary, undefined, { tenant }),
    "keyed insert within guardrails": (n) => scheduler.enqueue(ordinary, undefined, { tenant, key: `limited-${n}` }),
  };
}

function failuresOf(times: readonly CallTimes[]): string[] {
  return times.flatMap(({ call, count, failures }) => [
    ...failures.slice(0, 3),
    ...(count === 0 ? [`${call}: no call`] : []),
  ]);
}

async function endOf(engine: Engine<pg.ClientBase>, id: string) {
  for (;;) {
    const job = await engine.jobs.get(id);
    if (job?.state !== "active") return job;
    await sleep(20);
  }
}
