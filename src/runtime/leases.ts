// The leases a worker holds: extends them at a third of their length, gives up those about to end unextended.
import { defaults } from "../core/defaults.ts";
import type { Engine, Extension } from "../core/engine.ts";
import type { ClaimedJob } from "../core/job.ts";
import { leaseOf } from "../core/settling.ts";
import type { Attempt } from "./attempt.ts";
import type { Cancel, RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";

/** A job leased to this worker and not settled yet. */
export interface Held {
  readonly job: ClaimedJob;
  /** Absent while the job waits for a slot. */
  attempt?: Attempt;
  /** By this process's monotonic clock, counted from when the claim or the last extension that lengthened it was sent. */
  endsAt: number;
  /** Its settlement is on the way: that one learns for itself whether the lease is lost. */
  settling: boolean;
}

export interface LeasesOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly leaseMs: number;
  /** Looks only while something is held: on a test's clock, where a look costs as much as the work. */
  readonly patient: boolean;
  /** The lease is gone, or about to be. */
  readonly onLost: (held: Held, why: string) => void;
  /** Someone asked for the job's cancellation. */
  readonly onCancelling: (held: Held) => void;
}

/** How often leases are looked at: a whole share of the extension's third, and finer than the margin. */
const looksPerLease = 12;

export class Leases {
  readonly #options: LeasesOptions;
  readonly #held = new Map<string, Held>();
  #cancelLook: Cancel = () => {};
  #extendedAt = 0;
  #extending = false;
  #stopped = false;
  #looking = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#extendedAt = this.#options.clock.monotonic();
    if (!this.#options.patient) this.#lookAgain();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelLook();
  }

  add(job: ClaimedJob, endsAt: number): void {
    const before = this.#held.get(job.id);
    // Claimed again by ourselves: the lease of the attempt that still runs here had ended.
    if (before !== undefined) this.#options.onLost(before, "the lease ended before it was extended");
    this.#held.set(job.id, { job, endsAt, settling: false });
    if (!this.#looking && !this.#stopped) this.#lookAgain();
  }

  /** The lease under which this very claim is held; the same job may be here again under another. */
  of(job: ClaimedJob): Held | undefined {
    const held = this.#held.get(job.id);
    return held?.job === job ? held : undefined;
  }

  find(id: string): Held | undefined {
    return this.#held.get(id);
  }

  forget(job: ClaimedJob): void {
    if (this.of(job) !== undefined) this.#held.delete(job.id);
  }

  #lookAgain(): void {
    const { clock, leaseMs } = this.#options;
    const everyMs = leaseMs / looksPerLease;
    const plannedAt = clock.monotonic() + everyMs;
    this.#looking = true;
    const look = () => {
      this.#warnWhenBlocked(clock.monotonic() - plannedAt);
      this.#giveUpEnding();
      if (clock.monotonic() - this.#extendedAt >= leaseMs * defaults.extendShare) {
        this.#extendAll().catch((error: unknown) => this.#report(error, "extend"));
      }
      this.#looking = !this.#stopped && !(this.#options.patient && this.#held.size === 0);
      if (this.#looking) this.#lookAgain();
    };
    this.#cancelLook = clock.after(everyMs, look, true);
  }

  #warnWhenBlocked(blockedMs: number): void {
    const { leaseMs } = this.#options;
    if (blockedMs <= leaseMs / 2) return;
    const message = `the event loop was blocked for ${Math.round(blockedMs)} ms; leases last ${leaseMs} ms`;
    this.#report(new Error(message), "watchdog");
  }

  /** J3: a lease that could not be extended is given up a margin before it ends, so that two never hold it. */
  #giveUpEnding(): void {
    const { clock, leaseMs, onLost } = this.#options;
    const limit = clock.monotonic() + leaseMs * defaults.leaseMarginShare;
    for (const held of [...this.#held.values()]) {
      if (held.endsAt <= limit && !isSettling(held)) onLost(held, "the lease could not be extended in time");
    }
  }

  async #extendAll(): Promise<void> {
    if (this.#extending) return;
    this.#extending = true;
    this.#extendedAt = this.#options.clock.monotonic();
    try {
      const all = [...this.#held.values()];
      for (let from = 0; from < all.length; from += defaults.batchMax) {
        await this.#extend(all.slice(from, from + defaults.batchMax));
      }
    } catch (error) {
      // Tried again with the next look, not only after another third.
      this.#extendedAt = Number.NEGATIVE_INFINITY;
      throw error;
    } finally {
      this.#extending = false;
    }
  }

  async #extend(batch: readonly Held[]): Promise<void> {
    const { engine, clock, leaseMs, onLost, onCancelling } = this.#options;
    const sentAt = clock.monotonic();
    const reports = batch.map(({ attempt }) => attempt?.takeReport());
    const extensions = batch.map(({ job, attempt }, index): Extension => {
      const starts = attempt !== undefined && !attempt.startTold;
      return { lease: leaseOf(job), ...(starts ? { started: true } : {}), ...reports[index] };
    });
    const outcomes = await engine.jobs.extend(extensions, leaseMs).catch((error: unknown) => {
      for (const [index, { attempt }] of batch.entries()) attempt?.putBack(reports[index]);
      throw error;
    });
    for (const [index, held] of batch.entries()) {
      if (outcomes[index] === "lost") {
        if (this.of(held.job) === held && !isSettling(held))
          onLost(held, "another worker holds the job, or it is gone");
        continue;
      }
      if (outcomes[index] === "unextended") {
        held.attempt?.putBack(reports[index]);
        // Soon again, as after an error; the attempt's own transaction ends when it ends.
        if (!isSettling(held)) this.#extendedAt = Number.NEGATIVE_INFINITY;
        continue;
      }
      held.endsAt = sentAt + leaseMs;
      if (held.attempt !== undefined) held.attempt.startTold = true;
      if (outcomes[index] === "cancelling") onCancelling(held);
    }
  }

  #report(error: unknown, where: string): void {
    this.#options.emitter.emit("worker:error", { error, where });
  }
}

/** Whether the store has been told how the job ended, or is being told: then a lease that is gone is as it should be. */
function isSettling({ settling, attempt }: Held): boolean {
  return settling || attempt?.completing === true;
}
