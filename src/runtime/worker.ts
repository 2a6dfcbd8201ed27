// The worker role: claims due jobs, runs them, extends their leases, settles how they ended.
import { defaults } from "../core/defaults.ts";
import type { ClaimAnswer, ClaimRequest, Engine, Extension, SettleAnswer } from "../core/engine.ts";
import { hasCode, LeaseLostError, TransactionsUnsupportedError } from "../core/errors.ts";
import { type Entropy, mintToken } from "../core/id.ts";
import type { ClaimedJob, ErrorRecord } from "../core/job.ts";
import {
  type AttemptEnd,
  crashedTooOften,
  leaseOf,
  type Settlement,
  type SettlePolicy,
  settle,
} from "../core/settling.ts";
import { resolvePolicy } from "../core/task.ts";
import { Attempt, type AttemptHost } from "./attempt.ts";
import { Batcher } from "./batcher.ts";
import { type Cancel, type RuntimeClock, sleep } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import { type Context, delayOf, type Registry } from "./handler.ts";
import { Loop } from "./loop.ts";
import { Prefetch } from "./prefetch.ts";
import type { JobEvent, SchedulerEvents } from "./signals.ts";
import type { StoreClock } from "./store-clock.ts";

export interface WorkerOptions {
  readonly engine: Engine<never>;
  readonly registry: Registry;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly storeClock: StoreClock;
  /** Names this worker in leases and attempt records. */
  readonly name: string;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Queues beside those of the handlers' tasks. */
  readonly queues: readonly string[];
  readonly entropy: () => Entropy;
  readonly random: () => number;
  readonly redact: ((error: ErrorRecord) => ErrorRecord) | undefined;
  /** Enqueues for `ctx.enqueue`, bound to the job's tenant. */
  readonly enqueueFor: (tenant: string) => Context["enqueue"];
}

/** Settlements waiting for the store beyond which nothing new is claimed. */
const unsettledMax = 4 * defaults.batchMax;

/** How often leases are looked at: a whole share of the extension's third, and finer than the margin. */
const looksPerLease = 12;

/** After the drain, so long for the last settlements to reach the store, in ms. */
const settleGraceMs = 5_000;

/** What is settled when no handler's policy is known. */
const plainPolicy: SettlePolicy = resolvePolicy({});

export class Worker {
  readonly #options: WorkerOptions;
  readonly #loop: Loop;
  readonly #settling: Batcher<Settlement, SettleAnswer>;
  readonly #prefetch: Prefetch;
  /** Attempts whose handler has not returned: each holds a slot. */
  readonly #running = new Set<Attempt>();
  /** Everything leased to this worker that the store has not settled yet, prefetched jobs included. */
  readonly #leased = new Map<
    string,
    { readonly job: ClaimedJob; attempt?: Attempt; leaseEndsAt: number; settling: boolean }
  >();
  #buffer: ClaimedJob[] = [];
  #limited: ReadonlySet<string> = new Set();
  #knownQueues: readonly string[] = [];
  #turns = 0;
  #lostClaim: ClaimRequest | undefined;
  #unsettled = 0;
  #draining = false;
  #stopped = false;
  #watch: Cancel = () => {};
  #extendedAt = 0;
  #extending = false;
  readonly #idle: (() => void)[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#prefetch = new Prefetch(options.concurrency);
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#claim(),
      horizonMs: defaults.pollHorizonMs,
      onError: (error) => options.emitter.emit("worker:error", { error, where: "claim" }),
      random: options.random,
    });
    this.#settling = new Batcher({
      max: defaults.batchMax,
      send: (settlements) => options.engine.jobs.settle(settlements),
    });
  }

  start(): void {
    this.#extendedAt = this.#options.clock.monotonic();
    this.#watchLeases();
    this.#loop.start();
  }

  /** Something may be due within so many milliseconds. */
  wake(inMs: number): void {
    if (!this.#draining) this.#loop.wake(inMs);
  }

  /** Whether this worker looks at the queue, as far as it knows. */
  serves(queue: string): boolean {
    return this.#options.registry.takesAny || this.#queues().includes(queue);
  }

  /** A job is asked to stop; nothing happens when it does not run here. */
  cancel(id: string): void {
    const lease = this.#leased.get(id);
    if (lease === undefined) return;
    if (lease.attempt !== undefined) {
      lease.attempt.cancel();
      return;
    }
    this.#buffer = this.#buffer.filter((job) => job !== lease.job);
    this.#settle(lease.job, plainPolicy, { kind: "cancelled" }, this.#options.storeClock.now());
  }

  /** J9: claims nothing new, gives back what was not started, waits for what runs, then aborts and releases the rest. */
  async stop(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const { clock } = this.#options;
    let cancelDeadline: Cancel = () => {};
    const expired = new Promise<void>((resolve) => {
      cancelDeadline = clock.after(timeoutMs, resolve);
    });
    await Promise.race([this.#loop.stop(), expired]);
    this.#release(this.#buffer.splice(0));
    await Promise.race([this.#whenIdle(), expired]);
    cancelDeadline();
    for (const attempt of this.#running) attempt.shutDown();
    // What was aborted is released at once; a store that hangs must not hang us.
    let cancelGrace: Cancel = () => {};
    const graceOver = new Promise<void>((resolve) => {
      cancelGrace = clock.after(settleGraceMs, resolve);
    });
    await Promise.race([this.#whenSettled(), graceOver]);
    cancelGrace();
    this.#stopped = true;
    this.#watch();
  }

  async #whenSettled(): Promise<void> {
    // Aborted attempts say how they ended only after a turn of the event loop.
    do await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    while (this.#settling.busy || this.#unsettled > 0);
  }

  #whenIdle(): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  // --- claiming

  async #claim(): Promise<number> {
    const { engine, storeClock } = this.#options;
    if (this.#draining) return defaults.pollHorizonMs;
    const free = this.#options.concurrency - this.#running.size;
    const ahead = this.#recovering() ? 0 : this.#prefetch.size;
    const room = free + ahead - this.#buffer.length;
    if (room <= 0 || this.#unsettled >= unsettledMax) return defaults.pollHorizonMs;
    await this.#refreshQueues();
    const request = this.#lostClaim ?? this.#request(Math.max(0, free - this.#buffer.length), room);
    const sentAt = this.#options.clock.monotonic();
    let answer: ClaimAnswer;
    try {
      answer = await engine.jobs.claim(request);
      this.#lostClaim = undefined;
    } catch (error) {
      if (hasCode(error, "OUTCOME_UNKNOWN")) this.#lostClaim = { ...request, repeat: true };
      throw error;
    }
    this.#accept(answer, sentAt + request.leaseMs);
    if (answer.nextDueAt === undefined) return defaults.pollHorizonMs;
    const waitMs = storeClock.untilMs(answer.nextDueAt);
    if (waitMs > 0) return waitMs;
    // Due, yet nothing came: locked, limited or taken by another. Backing off a little keeps it from spinning.
    return answer.jobs.length > 0 ? 0 : defaults.limitedBackoffMs;
  }

  /** While a job that may have crashed its worker runs here, nothing is prefetched beside it (J4). */
  #recovering(): boolean {
    for (const attempt of this.#running) if (attempt.job.recovered) return true;
    return false;
  }

  #request(starts: number, room: number): ClaimRequest {
    const { name, leaseMs, entropy } = this.#options;
    const queues = this.#queues();
    // The order turns, so that no queue is always last; limited ones go first, as they prefetch nothing.
    const turn = queues.length === 0 ? 0 : this.#turns++ % queues.length;
    const rotated = [...queues.slice(turn), ...queues.slice(0, turn)];
    const wants = [
      ...rotated.filter((queue) => this.#limited.has(queue)).map((queue) => ({ queue, limit: starts })),
      ...rotated.filter((queue) => !this.#limited.has(queue)).map((queue) => ({ queue, limit: room })),
    ];
    return {
      claimId: mintToken(entropy()),
      worker: name,
      leaseMs,
      wants,
      limit: room,
      starts,
      bytesMax: defaults.claimBytesMax,
    };
  }

  #queues(): readonly string[] {
    const { registry, queues } = this.#options;
    return [...new Set([...registry.queues(), ...queues, ...this.#knownQueues])];
  }

  /** A handler of any task name looks at every queue there is. */
  async #refreshQueues(): Promise<void> {
    const { registry, engine } = this.#options;
    if (!registry.takesAny) return;
    const stored = await engine.queues.list();
    this.#knownQueues = [defaults.queue, ...stored.map((queue) => queue.name).filter((name) => name !== "*")];
  }

  #accept(answer: ClaimAnswer, leaseEndsAt: number): void {
    this.#limited = new Set(answer.limited);
    for (const job of answer.jobs) {
      this.#leased.set(job.id, { job, leaseEndsAt, settling: false });
      this.#buffer.push(job);
    }
    const back = new Set([...answer.paused, ...answer.limited]);
    if (back.size > 0) {
      const fresh = new Set(answer.jobs);
      const returned = this.#buffer.filter((job) => back.has(job.queue) && !fresh.has(job));
      this.#buffer = this.#buffer.filter((job) => !returned.includes(job));
      this.#release(returned);
    }
    this.#pump();
  }

  #release(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) this.#settle(job, plainPolicy, { kind: "unstarted" }, this.#options.storeClock.now());
  }

  // --- running

  #pump(): void {
    const { concurrency } = this.#options;
    while (!this.#draining && this.#running.size < concurrency) {
      const job = this.#buffer.shift();
      if (job === undefined) break;
      this.#start(job);
    }
  }

  /** A slot has become free: fills it, and claims more when little is left. */
  #refill(): void {
    this.#pump();
    const wanted = this.#recovering() ? 0 : this.#prefetch.size;
    if (this.#running.size < this.#options.concurrency || this.#buffer.length < wanted / 2) this.wake(0);
  }

  #start(job: ClaimedJob): void {
    const { registry, emitter, storeClock } = this.#options;
    const lease = this.#leased.get(job.id);
    const handler = registry.find(job.task);
    const now = storeClock.now();
    if (lease === undefined) return;
    if (job.cancelRequested === true) {
      this.#settle(job, plainPolicy, { kind: "cancelled" }, now);
      return;
    }
    if (handler === undefined) {
      emitter.emit("job:unknown-task", describe(job));
      this.#settle(job, plainPolicy, { kind: "unknown-task" }, now);
      return;
    }
    if (crashedTooOften(job, handler.policy.retry)) {
      this.#settle(job, handler.policy, { kind: "crashed-too-often" }, now);
      return;
    }
    const attempt = new Attempt(job, handler, this.#host(job));
    lease.attempt = attempt;
    this.#running.add(attempt);
    if (emitter.wants("job:started")) {
      emitter.emit("job:started", { ...describe(job), delayMs: delayOf(job, attempt.startedAt) });
    }
    const { ended, returned } = attempt.run();
    const startedAt = this.#options.clock.monotonic();
    ended.then((end) => this.#finish(attempt, handler.policy, end));
    returned.then(() => {
      this.#prefetch.learn(this.#options.clock.monotonic() - startedAt);
      this.#running.delete(attempt);
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
      this.#refill();
    });
  }

  #host(job: ClaimedJob): AttemptHost {
    const { engine, clock, storeClock, enqueueFor } = this.#options;
    return {
      clock,
      now: () => storeClock.now(),
      enqueue: (task, input, options) => enqueueFor(job.tenant)(task, input, options),
      complete: async (claimed, tx, output) => {
        if (engine.using === undefined) {
          throw new TransactionsUnsupportedError(`the ${engine.name} engine has no transactions to complete in`);
        }
        const policy = this.#options.registry.find(claimed.task)?.policy ?? plainPolicy;
        const settlement = this.#decide(claimed, policy, { kind: "completed", output }, storeClock.now());
        const [answer] = await engine.using(tx as never).jobs.settle([settlement]);
        if (answer?.outcome === "settled") return;
        this.#leased.get(claimed.id)?.attempt?.lose("the job was not settled: its lease is lost");
        throw new LeaseLostError(`job ${claimed.id} is held by another worker or gone; roll the transaction back`);
      },
      lastCompletedAt: async (claimed) => {
        if (claimed.schedule === undefined) return undefined;
        const schedule = await engine.schedules.get({ tenant: claimed.tenant, id: claimed.schedule.id });
        return schedule?.lastCompletedAt === undefined ? undefined : new Date(schedule.lastCompletedAt);
      },
    };
  }

  async #finish(attempt: Attempt, policy: SettlePolicy, end: AttemptEnd): Promise<void> {
    const { job } = attempt;
    if (attempt.lost) {
      this.#forgetLost(job);
      return;
    }
    if (attempt.completedInTransaction) {
      await this.#confirmTransaction(attempt, policy, end);
      return;
    }
    this.#settle(job, policy, end, attempt.startedAt, attempt);
  }

  /** After `ctx.complete(tx)` only the store knows whether the transaction was committed. */
  async #confirmTransaction(attempt: Attempt, policy: SettlePolicy, end: AttemptEnd): Promise<void> {
    const { job } = attempt;
    const { engine } = this.#options;
    try {
      const stored = await engine.jobs.get(job.id);
      if (stored === undefined || stored.state === "completed") {
        this.#leased.delete(job.id);
        this.#emitCompleted(job, attempt.startedAt);
        return;
      }
    } catch (error) {
      this.#options.emitter.emit("worker:error", { error, where: "complete(tx)" });
    }
    const error = new Error("ctx.complete(tx) was called, but the transaction was not committed");
    this.#settle(job, policy, end.kind === "completed" ? { kind: "threw", error } : end, attempt.startedAt, attempt);
  }

  // --- settling

  #decide(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number): Settlement {
    const { storeClock, random, redact } = this.#options;
    const endedAt = Math.round(storeClock.now());
    return settle(job, policy, end, { startedAt: Math.round(startedAt), endedAt, random: random(), redact });
  }

  #settle(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number, attempt?: Attempt): void {
    const lease = this.#leased.get(job.id);
    if (lease === undefined || lease.settling) return;
    lease.settling = true;
    this.#unsettled++;
    const settlement = { ...this.#decide(job, policy, end, startedAt), ...attempt?.takeReport() };
    this.#send(settlement, 0)
      .then((answer) => this.#announce(job, settlement, answer, startedAt))
      .catch((error: unknown) => this.#options.emitter.emit("worker:error", { error, where: "settle" }))
      .finally(() => {
        this.#leased.delete(job.id);
        this.#unsettled--;
        // A place in a limited queue, or among the unsettled, has become free.
        if (this.#limited.size > 0 || this.#unsettled === unsettledMax - 1) this.#loop.wake(0);
      });
  }

  /** Sends a settlement until the store answers: it is safe to repeat, and without it the work would be done twice. */
  async #send(settlement: Settlement, failures: number): Promise<SettleAnswer> {
    const { clock, emitter } = this.#options;
    try {
      return await this.#settling.add(settlement);
    } catch (error) {
      const away = hasCode(error, "NOT_WRITTEN") || hasCode(error, "OUTCOME_UNKNOWN");
      if (!away || this.#stopped) throw error;
      emitter.emit("worker:error", { error, where: "settle" });
      await sleep(clock, Math.min(defaults.backoffMs * 2 ** Math.min(failures, 10), defaults.backoffMsMax));
      if (this.#stopped) throw error;
      return this.#send(settlement, failures + 1);
    }
  }

  #announce(job: ClaimedJob, settlement: Settlement, answer: SettleAnswer, startedAt: number): void {
    const { emitter, storeClock } = this.#options;
    if (answer.outcome !== "settled") {
      if (settlement.record !== undefined) emitter.emit("job:lease-lost", describe(job));
      return;
    }
    if (answer.schedulePaused !== undefined) emitter.emit("schedule:paused", answer.schedulePaused);
    const error = settlement.record?.error;
    switch (answer.state) {
      case "completed":
        this.#emitCompleted(job, startedAt);
        break;
      case "failed": {
        const superseded = settlement.outcome !== "fail";
        const reason = superseded ? "a newer job with the same key took its place" : (settlement.reason ?? "failed");
        emitter.emit("job:failed", { ...describe(job), error, reason });
        break;
      }
      case "cancelled":
        emitter.emit("job:cancelled", describe(job));
        break;
      default:
        if (settlement.outcome === "retry") {
          const due = settlement.due ?? { afterMs: 0 };
          const retryAt = new Date("at" in due ? due.at : storeClock.now() + due.afterMs);
          emitter.emit("job:retrying", { ...describe(job), error, retryAt });
        }
    }
  }

  #emitCompleted(job: ClaimedJob, startedAt: number): void {
    const { emitter, storeClock } = this.#options;
    if (!emitter.wants("job:completed")) return;
    emitter.emit("job:completed", { ...describe(job), durationMs: Math.max(0, storeClock.now() - startedAt) });
  }

  #forgetLost(job: ClaimedJob): void {
    if (!this.#leased.delete(job.id)) return;
    this.#options.emitter.emit("job:lease-lost", describe(job));
  }

  // --- leases

  /** Looks at the leases often: extends them at a third of it, gives up those about to end unextended. */
  #watchLeases(): void {
    const { clock, leaseMs, emitter } = this.#options;
    const everyMs = leaseMs / looksPerLease;
    const plannedAt = clock.monotonic() + everyMs;
    this.#watch = clock.after(
      everyMs,
      () => {
        const blockedMs = clock.monotonic() - plannedAt;
        if (blockedMs > leaseMs / 2) {
          const error = new Error(
            `the event loop was blocked for ${Math.round(blockedMs)} ms; leases last ${leaseMs} ms`,
          );
          emitter.emit("worker:error", { error, where: "watchdog" });
        }
        if (clock.monotonic() - this.#extendedAt >= leaseMs * defaults.extendShare) this.#extendAll();
        this.#giveUpEnding();
        if (!this.#stopped) this.#watchLeases();
      },
      true,
    );
  }

  /** J3: a lease that could not be extended is given up a margin before it ends, so that two never hold it. */
  #giveUpEnding(): void {
    const { clock, leaseMs } = this.#options;
    const limit = clock.monotonic() + leaseMs * defaults.leaseMarginShare;
    for (const lease of this.#leased.values()) {
      if (lease.leaseEndsAt > limit || lease.settling) continue;
      if (lease.attempt === undefined) {
        this.#buffer = this.#buffer.filter((job) => job !== lease.job);
        this.#leased.delete(lease.job.id);
      } else lease.attempt.lose("the lease could not be extended in time");
    }
  }

  async #extendAll(): Promise<void> {
    if (this.#extending) return;
    this.#extending = true;
    const { clock, emitter } = this.#options;
    this.#extendedAt = clock.monotonic();
    try {
      const leases = [...this.#leased.values()];
      for (let from = 0; from < leases.length; from += defaults.batchMax) {
        await this.#extend(leases.slice(from, from + defaults.batchMax));
      }
    } catch (error) {
      emitter.emit("worker:error", { error, where: "extend" });
      // Tried again with the next look, not only after another third.
      this.#extendedAt = Number.NEGATIVE_INFINITY;
    } finally {
      this.#extending = false;
    }
  }

  async #extend(
    leases: readonly { readonly job: ClaimedJob; attempt?: Attempt; leaseEndsAt: number }[],
  ): Promise<void> {
    const { engine, clock, leaseMs } = this.#options;
    const sentAt = clock.monotonic();
    const extensions = leases.map(({ job, attempt }): Extension => {
      const tells = attempt !== undefined && !attempt.startTold;
      return { lease: leaseOf(job), ...(tells ? { started: true } : {}), ...attempt?.takeReport() };
    });
    const outcomes = await engine.jobs.extend(extensions, leaseMs);
    for (const [index, lease] of leases.entries()) {
      if (outcomes[index] === "lost") {
        this.#lose(lease.job, lease.attempt);
        continue;
      }
      lease.leaseEndsAt = sentAt + leaseMs;
      if (lease.attempt !== undefined) lease.attempt.startTold = true;
      if (outcomes[index] === "cancelling") this.cancel(lease.job.id);
    }
  }

  #lose(job: ClaimedJob, attempt: Attempt | undefined): void {
    const lease = this.#leased.get(job.id);
    // A settlement in flight learns for itself; one that has been answered is no longer here.
    if (lease === undefined || lease.job !== job || lease.settling) return;
    if (attempt !== undefined) attempt.lose("another worker holds the job, or it was removed");
    else {
      this.#buffer = this.#buffer.filter((buffered) => buffered !== job);
      this.#leased.delete(job.id);
    }
  }
}

function describe(job: ClaimedJob): JobEvent {
  const { id, tenant, queue, task, attempt, schedule } = job;
  return {
    id,
    tenant,
    queue,
    task,
    attempt,
    ...(schedule === undefined ? {} : { schedule: { id: schedule.id, tick: new Date(schedule.tick) } }),
  };
}
