// Settles how attempts ended: decides by core, sends in batches until the store answers, tells this process's listeners.
import { defaults } from "../core/defaults.ts";
import type { Engine, SettleAnswer } from "../core/engine.ts";
import { hasCode } from "../core/errors.ts";
import type { ClaimedJob, ErrorRecord, JobState } from "../core/job.ts";
import { type AttemptEnd, type Settlement, type SettlePolicy, settle } from "../core/settling.ts";
import type { Attempt } from "./attempt.ts";
import { Batcher } from "./batcher.ts";
import { backoffMs, type RuntimeClock, sleep } from "./clock.ts";
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

export class Settler {
  readonly #options: SettlerOptions;
  readonly #batcher: Batcher<Settlement, SettleAnswer>;
  readonly #whenSettled: (() => void)[] = [];
  #unsettled = 0;
  #stopped = false;

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.#batcher = new Batcher({
      max: defaults.batchMax,
      // Nobody waits for a settlement, so quick handlers that end one after another travel together.
      gather: () => new Promise((resolve) => options.clock.soon(resolve)),
      send: (settlements) => options.engine.jobs.settle(settlements),
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
    const { leases, emitter, onSettled } = this.#options;
    const held = leases.of(job);
    if (held === undefined || held.settling) return;
    held.settling = true;
    this.#unsettled++;
    const settlement = { ...this.decide(job, policy, end, startedAt), ...attempt?.takeReport() };
    this.#send(settlement)
      .then((answer) => this.#announce(job, settlement, answer, startedAt))
      .catch((error: unknown) => emitter.emit("worker:error", { error, where: "settle" }))
      .finally(() => {
        leases.forget(job);
        this.#unsettled--;
        if (this.#unsettled === 0) for (const resolve of this.#whenSettled.splice(0)) resolve();
        onSettled();
      });
  }

  /** The settlement that core decides on. */
  decide(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, startedAt: number): Settlement {
    const { storeClock, random, redact } = this.#options;
    const endedAt = Math.round(storeClock.now());
    return settle(job, policy, end, { startedAt: Math.round(startedAt), endedAt, random: random(), redact });
  }

  /** Sends a settlement until the store answers: it is safe to repeat, and without it the work would be done twice. */
  async #send(settlement: Settlement, failures = 0, maybeWritten = false): Promise<SettleAnswer> {
    const { clock, emitter, random } = this.#options;
    try {
      const answer = await this.#batcher.add(settlement);
      // J15: the try whose answer was lost has settled it, and retention kept nothing to tell so.
      const gone = maybeWritten && answer.outcome === "unknown" && settlement.keep === "nothing";
      return gone ? { outcome: "settled", state: endStates[settlement.outcome] } : answer;
    } catch (error) {
      const away = hasCode(error, "NOT_WRITTEN") || hasCode(error, "OUTCOME_UNKNOWN");
      if (!away || this.#stopped) throw error;
      emitter.emit("worker:error", { error, where: "settle" });
      await sleep(clock, backoffMs(failures, random()));
      if (this.#stopped) throw error;
      return this.#send(settlement, failures + 1, maybeWritten || hasCode(error, "OUTCOME_UNKNOWN"));
    }
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
