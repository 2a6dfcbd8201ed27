// Settles how attempts ended: decides by core, sends in batches until the store answers, tells this process's listeners.
import { defaults } from "../core/defaults.ts";
import type { Engine, SettleAnswer } from "../core/engine.ts";
import { hasCode, isPunctualError } from "../core/errors.ts";
import type { ClaimedJob, ErrorRecord, JobState } from "../core/job.ts";
import { type AttemptEnd, type Settlement, type SettlePolicy, settle } from "../core/settling.ts";
import type { Attempt } from "./attempt.ts";
import { Batcher } from "./batcher.ts";
import { backoffMs, type RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { JobEvent, SchedulerEvents } from "./events.ts";
import type { Leases } from "./leases.ts";
import type { StoreClock } from "./store-clock.ts";

export interface SettlerOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly storeClock: StoreClock;
  readonly leases: Leases;
  readonly random: () => number;
  readonly redact: ((error: ErrorRecord) => ErrorRecord) | undefined;
  /** Settlements have been handed to the engine: what is asked of it now may share their commit. */
  readonly onSent: () => void;
  /** A settlement has been answered. */
  readonly onSettled: () => void;
}

/** The state that a settlement brings about, but for a successor's sake. */
const endStates = {
  complete: "completed",
  fail: "failed",
  cancel: "cancelled",
  retry: "pending",
  release: "pending",
} as const satisfies Record<Settlement["outcome"], JobState>;

/** A settlement on its way to the store. */
interface Sending {
  readonly job: ClaimedJob;
  readonly settlement: Settlement;
  readonly startedAt: number;
  readonly failures: number;
  /** A try's answer was lost. */
  readonly maybeWritten: boolean;
}

export class Settler {
  readonly #options: SettlerOptions;
  readonly #batcher: Batcher<Settlement, SettleAnswer>;
  /** Settlements that go to the store together, at most. */
  readonly batchMax: number;
  readonly #whenSettled: (() => void)[] = [];
  #unsettled = 0;
  #stopped = false;

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.batchMax = (options.engine.travels === true ? defaults.travelFactor : 1) * defaults.batchMax;
    this.#batcher = new Batcher({
      max: this.batchMax,
      // Nobody waits for a settlement, so quick handlers that end one after another travel together.
      gather: () => new Promise((resolve) => options.clock.soon(resolve)),
      send: (settlements) => options.engine.jobs.settle(settlements),
      onSent: options.onSent,
    });
  }

  /** Settlements that wait for the store. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Gives up what the store has not answered. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when everything given so far has been answered. */
  async idle(): Promise<void> {
    // Aborted attempts say how they ended only after a turn of the event loop.
    await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    if (this.#unsettled > 0) await new Promise<void>((resolve) => this.#whenSettled.push(resolve));
  }

  /** Settles an attempt, or a job that was never started; a lease that is no longer held is left alone. */
  settle(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number, attempt?: Attempt): void {
    const held = this.#options.leases.of(job);
    if (held === undefined || held.settling) return;
    const decided = this.#decideSafely(job, policy, end, startedAt);
    held.settling = true;
    this.#unsettled++;
    const report = attempt?.takeReport();
    const settlement = report === undefined ? decided : { ...decided, ...report };
    this.#send({ job, settlement, startedAt, failures: 0, maybeWritten: false });
  }

  /** An end that cannot be decided upon must not keep the job leased for ever: it counts as a plain failure. */
  #decideSafely(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number): Settlement {
    try {
      return this.decide(job, policy, end, startedAt);
    } catch (error) {
      this.#options.emitter.emit("worker:error", { error, where: "settle" });
      const failure = new Error("how the attempt ended could not be told");
      return this.decide(job, policy, { kind: "threw", error: failure }, startedAt);
    }
  }

  /** The settlement that core decides on. */
  decide(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number): Settlement {
    const { storeClock, random, redact } = this.#options;
    const endedAt = Math.round(storeClock.now());
    return settle(job, policy, end, { startedAt: Math.round(startedAt), endedAt, random: random(), redact });
  }

  /** Sends a settlement until the store answers: it is safe to repeat, and without it the work would be done twice. */
  #send(sending: Sending): void {
    this.#batcher.push(
      sending.settlement,
      (answer) => this.#answered(sending, answer),
      (error) => this.#failed(sending, error),
    );
  }

  #answered({ job, settlement, startedAt, maybeWritten }: Sending, answer: SettleAnswer): void {
    // J15: the try whose answer was lost has settled it, and retention kept nothing to tell so. While our lease cannot
    // have ended, nobody else can have.
    const held = this.#options.leases.of(job);
    const unheld = held === undefined || held.endsAt <= this.#options.clock.monotonic();
    const forgotten = settlement.keep === "nothing" || settlement.outcome === "complete";
    const gone = maybeWritten && answer.outcome === "unknown" && forgotten && !unheld;
    const settled = gone ? { outcome: "settled" as const, state: endStates[settlement.outcome] } : answer;
    this.#announce(job, settlement, settled, startedAt);
    this.#done(job);
  }

  #failed(sending: Sending, error: unknown): void {
    const { clock, emitter, random } = this.#options;
    emitter.emit("worker:error", { error, where: "settle" });
    // What is none of the catalogue's was not foreseen: no reason to give up work that is done.
    const isStrange = !isPunctualError(error);
    const away = isStrange || hasCode(error, "NOT_WRITTEN") || hasCode(error, "OUTCOME_UNKNOWN");
    if (!away || this.#stopped) {
      this.#done(sending.job);
      return;
    }
    const { failures } = sending;
    const maybeWritten = sending.maybeWritten || isStrange || hasCode(error, "OUTCOME_UNKNOWN");
    clock.after(backoffMs(failures, random()), () => {
      if (this.#stopped) this.#done(sending.job);
      else this.#send({ ...sending, failures: failures + 1, maybeWritten });
    });
  }

  #done(job: ClaimedJob): void {
    this.#options.leases.forget(job);
    this.#unsettled--;
    if (this.#unsettled === 0) for (const resolve of this.#whenSettled.splice(0)) resolve();
    this.#options.onSettled();
  }

  #announce(job: ClaimedJob, settlement: Settlement, answer: SettleAnswer, startedAt: number): void {
    const { emitter, storeClock } = this.#options;
    if (answer.outcome !== "settled") {
      if (settlement.record !== undefined) emitter.emit("job:lease-lost", describeJob(job));
      return;
    }
    if (answer.schedulePaused !== undefined) emitter.emit("schedule:paused", answer.schedulePaused);
    const error = settlement.record?.error;
    switch (answer.state) {
      case "completed":
        this.announceCompleted(job, startedAt);
        break;
      case "failed": {
        const superseded = settlement.outcome !== "fail";
        const reason = superseded ? "a newer job with the same key took its place" : (settlement.reason ?? "failed");
        emitter.emit("job:failed", { ...describeJob(job), error, reason });
        break;
      }
      case "cancelled":
        emitter.emit("job:cancelled", describeJob(job));
        break;
      default:
        if (settlement.outcome === "retry") {
          const due = settlement.due ?? { afterMs: 0 };
          const retryAt = new Date("at" in due ? due.at : storeClock.now() + due.afterMs);
          emitter.emit("job:retrying", { ...describeJob(job), error, retryAt });
        }
    }
  }

  announceCompleted(job: ClaimedJob, startedAt: number): void {
    const { emitter, storeClock } = this.#options;
    if (!emitter.wants("job:completed")) return;
    emitter.emit("job:completed", { ...describeJob(job), durationMs: Math.max(0, storeClock.now() - startedAt) });
  }
}

/** A job as events name it. */
export function describeJob(job: ClaimedJob): JobEvent {
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
