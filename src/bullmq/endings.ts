// How jobs at BullMQ end: told by its events, of which one reader serves a whole queue, and looked up now and then, so that a
// lost event costs seconds and never hangs a delivery.
import type { Queue, QueueEvents } from "bullmq";

/** The end of a job at BullMQ; "gone" was removed there before it ended. */
export type Ending =
  | { readonly kind: "completed"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: Error; readonly attempts: number }
  | { readonly kind: "gone" };

/** First and longest pause between two looks at a job, in ms. */
const lookMs = 1_000;
const lookMsMax = 15_000;

export class Endings {
  readonly #queue: Queue;
  readonly #watches = new Map<string, Set<Watch>>();

  constructor(queue: Queue, events: QueueEvents) {
    this.#queue = queue;
    const each = (id: string, what: (watch: Watch) => void) => {
      for (const watch of this.#watches.get(id) ?? []) what(watch);
    };
    events.on("completed", ({ jobId, returnvalue }) => {
      each(jobId, (watch) => watch.end({ kind: "completed", value: returnvalue }));
    });
    // The event has no stack: the job itself is read.
    events.on("failed", ({ jobId }) => each(jobId, (watch) => watch.lookNow()));
    events.on("removed", ({ jobId }) => each(jobId, (watch) => watch.lookNow()));
    events.on("progress", ({ jobId, data }) => each(jobId, (watch) => watch.onProgress(data)));
  }

  /** Waits for a job's end from now on; `stop` ends that. Nothing is looked up before `lookNow` or `lookSoon`. */
  watch(id: string, onProgress: (progress: unknown) => void): Watch {
    const watch = new Watch(
      () => this.#look(id),
      onProgress,
      () => {
        const watches = this.#watches.get(id);
        watches?.delete(watch);
        if (watches?.size === 0) this.#watches.delete(id);
      },
    );
    this.#watches.set(id, (this.#watches.get(id) ?? new Set()).add(watch));
    return watch;
  }

  /** @returns undefined while it has not ended */
  async #look(id: string): Promise<Ending | undefined> {
    const state: string = await this.#queue.getJobState(id);
    if (state === "unknown") return { kind: "gone" };
    if (state !== "completed" && state !== "failed") return undefined;
    const job = await this.#queue.getJob(id);
    if (job === undefined) return { kind: "gone" };
    if (state === "completed") return { kind: "completed", value: job.returnvalue as unknown };
    return { kind: "failed", error: failureOf(job), attempts: job.attemptsMade };
  }
}

/** The last error of a failed job, as its worker threw it. */
function failureOf({
  failedReason,
  stacktrace,
}: {
  readonly failedReason: string;
  readonly stacktrace: string[] | null;
}): Error {
  const error = new Error(failedReason);
  const stack = stacktrace?.at(-1);
  if (stack === undefined) return error;
  error.stack = stack;
  error.name = /^(\w+):/.exec(stack)?.[1] ?? error.name;
  return error;
}

/** One wait for one job. */
export class Watch {
  /** Resolves when the job has ended. */
  readonly ended: Promise<Ending>;
  readonly onProgress: (progress: unknown) => void;
  readonly #look: () => Promise<Ending | undefined>;
  readonly #onStop: () => void;
  #resolve: (ending: Ending) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = lookMs;
  #stopped = false;

  constructor(look: () => Promise<Ending | undefined>, onProgress: (progress: unknown) => void, onStop: () => void) {
    this.#look = look;
    this.onProgress = onProgress;
    this.#onStop = onStop;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  end(ending: Ending): void {
    this.stop();
    this.#resolve(ending);
  }

  /** Looks now, and again after ever longer pauses. */
  lookNow(): void {
    clearTimeout(this.#timer);
    this.#look().then(
      (ending) => {
        if (ending === undefined) this.lookSoon();
        else if (!this.#stopped) this.end(ending);
      },
      // Redis is away: the client says so, and the next look may find it.
      () => this.lookSoon(),
    );
  }

  lookSoon(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.lookNow(), this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, lookMsMax);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#onStop();
  }
}
