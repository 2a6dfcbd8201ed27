// One delivery: adds a job to BullMQ's queue, or finds it there, and awaits its end. Safe to repeat after a crash of either side.
import { type Context, hasCode, PermanentError, RetryAt } from "../index.ts";
import { isAway } from "./connection.ts";
import type { Ending, Watch } from "./endings.ts";
import type { Link } from "./link.ts";
import { type BullmqRetry, bullmqIdOf, mapOptions } from "./mapping.ts";
import type { QueueOptions } from "./options.ts";

/** How the jobs of a task are delivered. */
export interface Manner {
  readonly retry: BullmqRetry;
  readonly delayMs: number;
  /** The job's name there; the task's by default. */
  readonly name: string | undefined;
}

/** First and longest pause between two tries to take a job out of BullMQ, in ms. */
const withdrawMs = 100;
const withdrawMsMax = 2_000;

/** First and longest wait before a job is delivered again that Redis could not take, in ms. */
const againMs = 1_000;
const againMsMax = 30_000;

export class Delivery {
  readonly #context: Context;
  readonly #manner: Manner;
  readonly #options: QueueOptions;
  /** Aborts when deliveries are let go: the job stays at BullMQ. */
  readonly #letGo: AbortSignal;
  /** Aborts for that, and with the attempt. */
  readonly #stop: AbortSignal;
  readonly #bullmqId: string;

  constructor(context: Context, manner: Manner, options: QueueOptions, letGo: AbortSignal) {
    this.#context = context;
    this.#manner = manner;
    this.#options = options;
    this.#letGo = letGo;
    this.#stop = AbortSignal.any([context.signal, letGo]);
    this.#bullmqId = bullmqIdOf(context.job);
  }

  /**
   * Resolves with what BullMQ's worker returned.
   * @throws PermanentError when the job has failed there at last; RetryAt while Redis is away, or when deliveries are let go;
   * the abort's reason when the attempt was aborted
   */
  async run(connect: () => Promise<Link>): Promise<unknown> {
    const { signal } = this.#context;
    try {
      const link = await unlessAborted(connect(), this.#stop).catch((error: unknown) => {
        // Whatever is wrong with the connection is no fault of the job; it was reported as it was found.
        throw this.#stop.aborted ? error : this.#again("BullMQ cannot be reached");
      });
      const watch = link.endings.watch(this.#bullmqId, (progress) => this.#pass(progress));
      try {
        return this.#outcome(await this.#end(link, watch));
      } finally {
        watch.stop();
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (this.#letGo.aborted) throw this.#again("the deliverer was closed");
      if (isAway(error)) throw this.#again(`Redis is away: ${error instanceof Error ? error.message : error}`);
      throw error;
    }
  }

  async #end(link: Link, watch: Watch): Promise<Ending> {
    const { job, attempt, signal } = this.#context;
    const { name = job.task, retry, delayMs } = this.#manner;
    // With an id that is there already BullMQ adds nothing, and says so to nobody.
    const added = link.queue.add(name, job.input, mapOptions(job, retry, delayMs, this.#options));
    try {
      await unlessAborted(added, this.#stop);
      // Whoever tried before may have added it, and it may have ended since.
      if (attempt > 1) watch.lookNow();
      else watch.lookSoon();
      return await unlessAborted(watch.ended, this.#stop);
    } catch (error) {
      if (hasCode(signal.reason, "ATTEMPT_CANCELLED")) {
        // What is still on its way could else arrive after it was looked for in vain.
        await unlessAborted(added, this.#letGo);
        return await this.#withdraw(link, watch);
      }
      // The attempt is settled already: nobody is there to tell when it cannot be removed.
      if (hasCode(signal.reason, "ATTEMPT_TIMEOUT")) await this.#tryToRemove(link).catch(() => {});
      throw error;
    }
  }

  /** What the end there is here. */
  #outcome(ending: Ending): unknown {
    switch (ending.kind) {
      case "completed":
        return ending.value;
      case "failed":
        this.#context.log(`BullMQ job ${this.#bullmqId} failed after ${ending.attempts} attempts there`);
        throw last(ending.error);
      case "gone":
        throw new PermanentError(`job ${this.#bullmqId} was removed from BullMQ before its end was seen`);
    }
  }

  /**
   * Takes a cancelled job out of BullMQ. While an attempt runs there it cannot be: a worker of `.work` is asked to stop it, any
   * other finishes its attempt, and what that comes to decides, as it would here.
   * @throws the cancellation once the job is out
   */
  async #withdraw(link: Link, watch: Watch): Promise<Ending> {
    for (let pauseMs = withdrawMs; ; pauseMs = Math.min(2 * pauseMs, withdrawMsMax)) {
      link.closed.throwIfAborted();
      if (await this.#tryToRemove(link).catch(() => false)) throw this.#context.signal.reason;
      watch.lookNow();
      const ending = await Promise.race([watch.ended, sleep(pauseMs)]);
      if (ending !== undefined) return ending;
    }
  }

  /** @returns whether the job is out of BullMQ's queue without having ended there */
  async #tryToRemove(link: Link): Promise<boolean> {
    const state: string = await link.queue.getJobState(this.#bullmqId);
    if (state === "unknown") return true;
    if (state === "completed" || state === "failed") return false;
    if ((await link.queue.remove(this.#bullmqId)) === 1) return true;
    await link.askToStop(this.#bullmqId);
    return false;
  }

  /** No failure of the job: it is delivered again a little later, or found there. */
  #again(why: string): RetryAt {
    const waitMs = Math.min(againMsMax, againMs * 2 ** Math.min(this.#context.attempt - 1, 10));
    return new RetryAt(new Date(Date.now() + waitMs), why);
  }

  /** BullMQ's workers say percents; what is none is left to BullMQ. */
  #pass(progress: unknown): void {
    if (typeof progress === "number" && progress >= 0 && progress <= 100) this.#context.progress(progress / 100);
  }
}

/** BullMQ has made all attempts, so none are left here. It has the name, message and stack of what its worker threw. */
function last(error: Error): PermanentError {
  const permanent = new PermanentError(error.message, { cause: error });
  permanent.name = error.name;
  if (error.stack !== undefined) permanent.stack = error.stack;
  return permanent;
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
