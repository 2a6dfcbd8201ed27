// The worker role: claims due jobs and runs them. Leases are kept in leases.ts, ends settled in settler.ts.
import { defaults } from "../core/defaults.ts";
import type { ClaimAnswer, ClaimRequest, Engine } from "../core/engine.ts";
import { hasCode, LeaseLostError, TransactionsUnsupportedError } from "../core/errors.ts";
import { type Entropy, mintToken } from "../core/id.ts";
import type { ClaimedJob, ErrorRecord } from "../core/job.ts";
import { everyQueue } from "../core/queue.ts";
import { type AttemptEnd, crashedTooOften, type SettlePolicy } from "../core/settling.ts";
import { resolvePolicy } from "../core/task.ts";
import { Attempt, type AttemptHost } from "./attempt.ts";
import type { Cancel, RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import { type Context, delayOf } from "./handler.ts";
import { type Held, Leases } from "./leases.ts";
import { Loop } from "./loop.ts";
import { Prefetch } from "./prefetch.ts";
import type { HandlerSet } from "./registry.ts";
import { describeJob, Settler } from "./settler.ts";
import type { StoreClock } from "./store-clock.ts";
import { WaitingJobs } from "./waiting-jobs.ts";

export interface WorkerOptions {
  readonly engine: Engine<never>;
  readonly registry: HandlerSet;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly storeClock: StoreClock;
  /** Names this worker in leases and attempt records. */
  readonly name: string;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** The engine tells of everything, on a test's clock: nobody polls. */
  readonly patient: boolean;
  /** Only these; absent: those of the handlers' tasks, and with a handler of any task all there are. */
  readonly queues: readonly string[] | undefined;
  readonly entropy: () => Entropy;
  readonly random: () => number;
  readonly redact: ((error: ErrorRecord) => ErrorRecord) | undefined;
  /** Enqueues for `ctx.enqueue`, bound to the job's tenant. */
  readonly enqueueFor: (tenant: string) => Context["enqueue"];
}

/** Batches of settlements waiting for the store beyond which nothing new is claimed. */
const unsettledBatchesMax = 4;

/** Jobs that may wait beyond the prefetch, so that a tenant whose job has just come due is not behind a full buffer. */
const latecomersMax = 16;

/**
 * So long at most, in ms, only jobs to be fetched ahead are claimed. Then those that wait run out first, as jobs of limited
 * queues and tenants and those whose lease has ended are given only to a slot that is free.
 */
const openTurnMs = 250;

/** So many turns in vain are made a millisecond apart: by then the store's clock has caught up with our estimate of it. */
const vainTurnsMax = 5;

/** After the drain, so long for the last settlements to reach the store, in ms. */
const settleGraceMs = 5_000;

/** What is settled when no handler's policy is known. */
const plainPolicy: SettlePolicy = resolvePolicy({});

/** A claim whose answer is awaited. */
interface SentClaim {
  readonly request: ClaimRequest;
  /** By the monotonic clock. */
  readonly sentAt: number;
  readonly answer: Promise<ClaimAnswer>;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #loop: Loop;
  readonly #leases: Leases;
  readonly #settler: Settler;
  readonly #prefetch: Prefetch;
  readonly #unsettledMax: number;
  readonly #host: AttemptHost;
  /** Attempts whose handler has not returned: each holds a slot. */
  readonly #running = new Set<Attempt>();
  readonly #whenIdle: (() => void)[] = [];
  readonly #waiting = new WaitingJobs();
  #limited: ReadonlySet<string> = new Set();
  #knownQueues: readonly string[] = [];
  #turns = 0;
  /** Turns in a row that found nothing though something was due. */
  #vainTurns = 0;
  #lostClaim: ClaimRequest | undefined;
  /** A claim that is on its way while what the last one gave runs. */
  #ahead: SentClaim | undefined;
  /** When a claim last had a free slot to offer. */
  #openedAt = 0;
  /** When jobs of a limited queue or tenant last were given, or wait: for a while every claim has a free slot for more. */
  #limitedGivenAt = Number.NEGATIVE_INFINITY;
  /** Something may have come due since the last claim. */
  #woken = false;
  /** When the last handler returned or began: while any does, prefetched jobs do not wait in vain. */
  #movedAt = 0;
  #draining = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#host = this.#hostOf(options);
    this.#prefetch = new Prefetch(options.concurrency, options.engine.travels);
    this.#leases = new Leases({
      ...options,
      onLost: (held, why) => this.#lose(held, why),
      onCancelling: (held) => this.#cancel(held),
    });
    this.#settler = new Settler({
      ...options,
      leases: this.#leases,
      onSent: () => this.#loop.hurry(),
      onSettled: () => this.#afterSettled(),
    });
    this.#unsettledMax = unsettledBatchesMax * this.#settler.batchMax;
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#claim(),
      horizonMs: options.patient ? defaults.patientPollMs : defaults.pollHorizonMs,
      onError: (error) => options.emitter.emit("worker:error", { error, where: "claim" }),
      random: options.random,
    });
  }

  start(): void {
    this.#leases.start();
    this.#loop.start();
  }

  /** Something may be due within so many milliseconds. */
  wake(inMs: number): void {
    if (this.#draining) return;
    this.#woken = true;
    this.#loop.wake(inMs);
  }

  /** There is room for more: no news of what is due. */
  #claimSoon(): void {
    if (!this.#draining) this.#loop.wake(0);
  }

  /** Whether this worker looks at the queue, as far as it knows. */
  serves(queue: string): boolean {
    const { registry, queues } = this.#options;
    return (queues === undefined && registry.takesAny && registry.owns(queue)) || this.#queues().includes(queue);
  }

  /** A job is asked to stop; nothing happens when it is not here. */
  cancel(id: string): void {
    const held = this.#leases.find(id);
    if (held !== undefined) this.#cancel(held);
  }

  /** J9: claims nothing new, gives back what was not started, waits for what runs, then aborts and releases the rest. */
  async stop(timeoutMs: number): Promise<void> {
    this.#draining = true;
    await this.#atMost(timeoutMs, async () => {
      await this.#loop.stop();
      await this.#receiveAhead();
      this.#release(this.#waiting.takeAll());
      await this.#idle();
    });
    this.#release(this.#waiting.takeAll());
    for (const attempt of this.#running) attempt.shutDown();
    // What was aborted is released at once; a store that hangs must not hang us.
    await this.#atMost(settleGraceMs, () => this.#settler.idle());
    this.#settler.stop();
    this.#leases.stop();
  }

  async #atMost(ms: number, work: () => Promise<void>): Promise<void> {
    let cancel: Cancel = () => {};
    const expired = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(ms, resolve);
    });
    await Promise.race([work(), expired]);
    cancel();
  }

  #idle(): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  // Claiming

  async #claim(): Promise<number> {
    const { storeClock } = this.#options;
    this.#giveBackWaiting();
    const sent = this.#ahead ?? (await this.#sendNext());
    this.#ahead = undefined;
    if (sent === undefined) return this.#lookAgainMs();
    const answer = await this.#answerOf(sent);
    // What woke us after this claim had left, it may not have seen.
    const isStale = this.#woken;
    const isNewLane = this.#accept(answer, sent);
    if (isStale) return 0;
    const waitMs = answer.nextDueAt === undefined ? Number.POSITIVE_INFINITY : storeClock.untilMs(answer.nextDueAt);
    const inVain = answer.jobs.length === 0 && waitMs <= 0;
    this.#vainTurns = inVain ? this.#vainTurns + 1 : 0;
    // Where one tenant's job stood behind another's, there may be a third one's.
    if (this.#waiting.size > 0) return isNewLane && waitMs <= 0 ? 0 : defaults.prefetchHoldMs;
    if (!inVain) return Math.max(0, waitMs);
    // Due, yet nothing came. By our estimate alone, which is ahead of the store's clock by a moment? Else it is locked,
    // limited or taken by another, and backing off a little keeps it from spinning.
    return this.#vainTurns <= vainTurnsMax ? 1 : defaults.limitedBackoffMs;
  }

  /** Sends the next claim, if there is room for what it may give. */
  async #sendNext(): Promise<SentClaim | undefined> {
    const free = this.#options.concurrency - this.#running.size;
    const starts = Math.max(0, free - this.#waiting.size);
    const room = this.#quarantined() ? 0 : this.#room(free, this.#mayRefill(starts));
    if (this.#draining || room <= 0 || this.#settler.unsettled >= this.#unsettledMax) return undefined;
    this.#woken = false;
    await this.#refreshQueues();
    if (this.#queues().length === 0) return undefined;
    return this.#send(this.#lostClaim ?? this.#request(starts, room));
  }

  #send(request: ClaimRequest): SentClaim {
    const { engine, clock } = this.#options;
    const sentAt = clock.monotonic();
    const answer = engine.jobs.claim(request);
    // Whoever awaits it is told.
    answer.catch(() => {});
    return { request, sentAt, answer };
  }

  async #answerOf({ request, answer }: SentClaim): Promise<ClaimAnswer> {
    try {
      const answered = await answer;
      this.#lostClaim = undefined;
      return answered;
    } catch (error) {
      // J15: whatever it took is given to the same claim made again.
      if (hasCode(error, "OUTCOME_UNKNOWN")) this.#lostClaim = { ...request, repeat: true };
      throw error;
    }
  }

  /**
   * While handlers are quick and claims come back full, the next claim leaves before the jobs of this one run: the store
   * works meanwhile. It asks for no slot, so it is given nothing that would have to start at once.
   */
  #sendAhead({ jobs, limited, paused, slotsWanted }: ClaimAnswer, { limit }: ClaimRequest): void {
    const { claimMax, size } = this.#prefetch;
    if (this.#options.engine.travels !== true || this.#draining || jobs.length < limit || limit < claimMax) return;
    if (limited.length + paused.length > 0 || slotsWanted === true || this.#options.registry.takesAny) return;
    const waiting = this.#waiting.size;
    const unsettled = this.#settler.unsettled + waiting;
    if (
      size < 2 * claimMax ||
      waiting > claimMax + this.#options.concurrency ||
      unsettled + claimMax > this.#unsettledMax ||
      !this.#mayRefill(0)
    )
      return;
    if (this.#recovering() || this.#quarantined()) return;
    this.#woken = false;
    this.#ahead = this.#send(this.#request(0, claimMax));
  }

  /** What a claim on its way gives is waited for, to be given back. */
  async #receiveAhead(): Promise<void> {
    const sent = this.#ahead;
    this.#ahead = undefined;
    if (sent === undefined) return;
    try {
      this.#accept(await sent.answer, sent);
    } catch (error) {
      // The leases of what it took will end.
      this.#options.emitter.emit("worker:error", { error, where: "claim" });
    }
  }

  /** Whether to fill up the prefetch, or only once the waiting jobs have run out and a slot is free. */
  #mayRefill(starts: number): boolean {
    const now = this.#options.clock.monotonic();
    if (starts > 0) this.#openedAt = now;
    return starts > 0 || (now - this.#openedAt < openTurnMs && !this.#givesLimited());
  }

  #givesLimited(): boolean {
    return this.#options.clock.monotonic() - this.#limitedGivenAt < openTurnMs;
  }

  /**
   * How many jobs to claim. Even where enough wait, one more than there are lanes waiting: the store shares them out
   * evenly, so a tenant that has none waiting here is among them.
   */
  #room(free: number, refills: boolean): number {
    const most = this.#givesLimited() ? this.#options.concurrency : this.#prefetch.max;
    const ahead = this.#recovering() ? 0 : Math.min(this.#prefetch.size, most);
    const room = Math.min(free + ahead - this.#waiting.size, free + this.#prefetch.claimMax);
    const few = ahead === 0 ? 0 : Math.min(this.#waiting.lanes + 1, room + latecomersMax);
    if (!refills) return this.#woken ? few : 0;
    return Math.max(room, few);
  }

  /** How long nothing is claimed, unless whoever makes room wakes us sooner. */
  #lookAgainMs(): number {
    if (this.#waiting.size > 0) return defaults.prefetchHoldMs;
    // A suspect's quarantine ends by itself.
    return this.#quarantined() ? defaults.pollHorizonMs : Number.POSITIVE_INFINITY;
  }

  /** Prefetched jobs that wait behind slots which hang go back, to be run by whoever is idle. */
  #giveBackWaiting(): void {
    if (this.#waiting.size === 0) return;
    if (this.#options.clock.monotonic() - this.#movedAt < defaults.prefetchHoldMs) return;
    this.#prefetch.stall();
    this.#release(this.#waiting.takeAll());
  }

  /** While a job that may have crashed its worker runs here, nothing is prefetched beside it (J4). */
  #recovering(): boolean {
    for (const attempt of this.#running) if (attempt.job.recovered) return true;
    return this.#waiting.anyRecovered;
  }

  /**
   * While a job that has crashed its workers again and again begins here, nothing is claimed beside it (J4): for a
   * third of the lease, as others must not wait long for one that is merely slow.
   */
  #quarantined(): boolean {
    const { storeClock, leaseMs, registry } = this.#options;
    const suspect = ({ crashes, task }: ClaimedJob) =>
      crashes >= defaults.quarantineCrashes && registry.find(task)?.waits !== true;
    const since = storeClock.now() - leaseMs * defaults.extendShare;
    for (const { job, startedAt } of this.#running) if (suspect(job) && startedAt > since) return true;
    return this.#waiting.some(suspect);
  }

  #request(starts: number, room: number): ClaimRequest {
    const { name, leaseMs, entropy } = this.#options;
    const queues = this.#queues();
    // The order turns, so that no queue is always last; limited ones go first, as they prefetch nothing.
    const turn = queues.length === 0 ? 0 : this.#turns++ % queues.length;
    const rotated = [...queues.slice(turn), ...queues.slice(0, turn)];
    const limited = rotated.filter((queue) => this.#limited.has(queue));
    const others = rotated.filter((queue) => !this.#limited.has(queue));
    return {
      claimId: mintToken(entropy()),
      worker: name,
      leaseMs,
      wants: [
        ...limited.map((queue) => ({ queue, limit: starts })),
        ...others.map((queue) => ({ queue, limit: room })),
      ],
      limit: room,
      starts,
      bytesMax: defaults.claimBytesMax,
    };
  }

  #queues(): readonly string[] {
    const { registry, queues } = this.#options;
    const looksAt = queues ?? [...new Set([...registry.queues(), ...this.#knownQueues])];
    return looksAt.filter((queue) => registry.owns(queue));
  }

  /** A handler of any task name looks at every queue there is. */
  async #refreshQueues(): Promise<void> {
    const { registry, engine, queues } = this.#options;
    if (queues !== undefined || !registry.takesAny) return;
    const stored = await engine.queues.list();
    this.#knownQueues = [defaults.queue, ...stored.map(({ name }) => name).filter((name) => name !== everyQueue)];
  }

  /** @returns whether a lane now stands beside others that had nothing waiting here */
  #accept(answer: ClaimAnswer, { request, sentAt }: SentClaim): boolean {
    const { storeClock, clock } = this.#options;
    const leaseEndsAt = sentAt + request.leaseMs;
    const repeated = request.repeat === true;
    this.#limited = new Set(answer.limited);
    const givesLimited = answer.slotsWanted === true || answer.jobs.some(({ queue }) => this.#limited.has(queue));
    if (givesLimited) this.#limitedGivenAt = clock.monotonic();
    const fresh = new Set(answer.jobs);
    const lanesBefore = this.#waiting.lanes;
    for (const job of answer.jobs) {
      // What a claim that was made again finds may have been leased by its first try.
      const leftMs = repeated ? storeClock.untilMs(job.leaseUntil) - storeClock.errorMs : Number.POSITIVE_INFINITY;
      this.#leases.add(job, Math.min(leaseEndsAt, clock.monotonic() + leftMs));
      this.#waiting.add(job);
    }
    const isNewLane = this.#waiting.lanes > Math.max(1, lanesBefore);
    const back = new Set([...answer.paused, ...answer.limited]);
    if (back.size > 0) this.#release(this.#waiting.takeWhere((job) => back.has(job.queue) && !fresh.has(job)));
    this.#sendAhead(answer, request);
    this.#pump();
    return isNewLane;
  }

  #release(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs)
      this.#settler.settle(job, plainPolicy, { kind: "unstarted" }, this.#options.storeClock.now());
  }

  // Running

  #pump(): void {
    while (!this.#draining && this.#running.size < this.#options.concurrency) {
      const job = this.#waiting.take();
      if (job === undefined) break;
      this.#start(job);
    }
  }

  #start(job: ClaimedJob): void {
    const { registry, emitter, storeClock, clock, leaseMs } = this.#options;
    const held = this.#leases.of(job);
    if (held === undefined) return;
    if (held.endsAt <= clock.monotonic() + leaseMs * defaults.leaseMarginShare) {
      // The claim was answered late, or the event loop was blocked: the job is another's by now, or will be before a look
      // at the leases could tell its handler. Given back, it is nobody's crash; the fence sees to the rest.
      const error = new Error(`job ${job.id} was claimed so late that its lease was about to end; it was given back`);
      emitter.emit("worker:error", { error, where: "claim" });
      this.#settler.settle(job, plainPolicy, { kind: "unstarted" }, storeClock.now());
      return;
    }
    const handler = registry.find(job.task);
    const now = storeClock.now();
    if (job.cancelRequested === true) {
      this.#settler.settle(job, plainPolicy, { kind: "cancelled" }, now);
      return;
    }
    if (handler === undefined) {
      emitter.emit("job:unknown-task", describeJob(job));
      this.#settler.settle(job, plainPolicy, { kind: "unknown-task" }, now);
      return;
    }
    if (handler.waits !== true && crashedTooOften(job, handler.policy.retry)) {
      this.#settler.settle(job, handler.policy, { kind: "crashed-too-often" }, now);
      return;
    }
    const attempt = new Attempt(job, handler, this.#host, now);
    held.attempt = attempt;
    this.#running.add(attempt);
    const begunAt = clock.monotonic();
    this.#movedAt = begunAt;
    if (emitter.wants("job:started")) {
      emitter.emit("job:started", { ...describeJob(job), delayMs: delayOf(job, now) });
    }
    attempt.run(
      (end) => this.#finish(attempt, handler.policy, end),
      () => this.#freeSlot(attempt, begunAt),
    );
  }

  #freeSlot(attempt: Attempt, begunAt: number): void {
    this.#movedAt = this.#options.clock.monotonic();
    this.#prefetch.learn(this.#movedAt - begunAt);
    this.#running.delete(attempt);
    if (this.#running.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    this.#pump();
    const isShort = this.#waiting.size < this.#prefetch.size / 2 && !this.#recovering();
    if (isShort || this.#running.size < this.#options.concurrency) this.#claimSoon();
  }

  #hostOf({ engine, clock, storeClock, enqueueFor, registry, emitter }: WorkerOptions): AttemptHost {
    return {
      clock,
      onError: (error) => emitter.emit("worker:error", { error, where: "attempt" }),
      now: () => storeClock.now(),
      enqueueFor,
      complete: async (job, tx, output) => {
        if (engine.using === undefined) {
          throw new TransactionsUnsupportedError(`the ${engine.name} engine has no transactions to complete in`);
        }
        const policy = registry.find(job.task)?.policy ?? plainPolicy;
        const settlement = this.#settler.decide(job, policy, { kind: "completed", output }, storeClock.now());
        const [answer] = await engine.using(tx as never).jobs.settle([settlement]);
        if (answer?.outcome === "settled") return;
        this.#leases.of(job)?.attempt?.lose("the job was not settled: its lease is lost");
        throw new LeaseLostError(`job ${job.id} is held by another worker or gone; roll the transaction back`);
      },
      lastCompletedAt: async ({ tenant, schedule }) => {
        if (schedule === undefined) return undefined;
        const stored = await engine.schedules.get({ tenant, id: schedule.id });
        return stored?.lastCompletedAt === undefined ? undefined : new Date(stored.lastCompletedAt);
      },
    };
  }

  #finish(attempt: Attempt, policy: SettlePolicy, end: AttemptEnd): void {
    const { job, startedAt } = attempt;
    if (attempt.completedInTransaction) {
      this.#confirm(attempt, policy, end).catch(this.#host.onError);
    } else if (attempt.lost) {
      this.#leases.forget(job);
      this.#options.emitter.emit("job:lease-lost", describeJob(job));
    } else this.#settler.settle(job, policy, end, startedAt, attempt);
  }

  /** After `ctx.complete(tx)` only the store knows whether the transaction was committed. */
  async #confirm(attempt: Attempt, policy: SettlePolicy, end: AttemptEnd): Promise<void> {
    const { job, startedAt } = attempt;
    const { engine, emitter } = this.#options;
    try {
      const stored = await engine.jobs.get(job.id);
      if (stored === undefined || stored.state === "completed") {
        this.#leases.forget(job);
        this.#settler.announceCompleted(job, startedAt);
        return;
      }
    } catch (error) {
      emitter.emit("worker:error", { error, where: "complete(tx)" });
    }
    const error = new Error("ctx.complete(tx) was called, but the transaction was not committed");
    this.#settler.settle(job, policy, end.kind === "completed" ? { kind: "threw", error } : end, startedAt, attempt);
  }

  #afterSettled(): void {
    // A place in a limited queue, or among the unsettled, has become free.
    if (this.#limited.size > 0 || this.#settler.unsettled === this.#unsettledMax - 1) this.#claimSoon();
  }

  // Leases

  #lose(held: Held, why: string): void {
    if (held.attempt !== undefined) {
      held.attempt.lose(why);
      return;
    }
    this.#waiting.takeWhere((job) => job === held.job);
    this.#leases.forget(held.job);
  }

  #cancel(held: Held): void {
    if (held.attempt !== undefined) held.attempt.cancel();
    else if (this.#waiting.takeWhere((job) => job === held.job).length > 0) {
      this.#settler.settle(held.job, plainPolicy, { kind: "cancelled" }, this.#options.storeClock.now());
    }
  }
}
