// What a handler is told of its attempt, made only as far as it asks: most handlers look at little of it.
import type { Millis } from "../core/clock.ts";
import { defaults } from "../core/defaults.ts";
import type { ClaimedJob } from "../core/job.ts";
import { decodePayload, encodePayload } from "../core/payload.ts";
import { type Context, delayOf } from "./handler.ts";
import { viewJob } from "./views.ts";

/** What a handler can have done for it. */
export interface ContextHost {
  /** Settles the job as completed inside the caller's transaction. */
  complete(job: ClaimedJob, tx: object, output: string): Promise<void>;
  enqueueFor(tenant: string): Context["enqueue"];
  lastCompletedAt(job: ClaimedJob): Promise<Date | undefined>;
}

/** The attempt as its handler may see and use it. */
interface AttemptSeen {
  readonly job: ClaimedJob;
  readonly startedAt: Millis;
  readonly signal: AbortSignal;
  completedInTransaction: boolean;
  completing: boolean;
  note(text: string): void;
  report(share: number): void;
}

/** The names that a copy of a context (`{ ...context, db }`) has. */
const names: readonly (keyof Context)[] = [
  "job",
  "attempt",
  "failures",
  "tenant",
  "scheduledAt",
  "startedAt",
  "delayMs",
  "schedule",
  "tick",
  "signal",
  "log",
  "progress",
  "complete",
  "enqueue",
];

/** Shows what is made when asked for as if it lay there: an object with so many members costs more than a handler. */
const lyingThere: ProxyHandler<AttemptContext> = {
  get: (context, name) => context[name as keyof Context],
  ownKeys: () => [...names],
  getOwnPropertyDescriptor: (context, name) =>
    (names as readonly PropertyKey[]).includes(name)
      ? { enumerable: true, configurable: true, get: () => context[name as keyof Context] }
      : undefined,
};

/** The context of an attempt. */
export function contextOf(attempt: AttemptSeen, host: ContextHost): Context {
  return new Proxy(new AttemptContext(attempt, host), lyingThere);
}

class AttemptContext implements Context {
  readonly #attempt: AttemptSeen;
  readonly #host: ContextHost;
  #job: Context["job"] | undefined;

  constructor(attempt: AttemptSeen, host: ContextHost) {
    this.#attempt = attempt;
    this.#host = host;
  }

  get job(): Context["job"] {
    const { job } = this.#attempt;
    this.#job ??= viewJob(job, job.claimedAt);
    return this.#job;
  }

  get attempt(): number {
    return this.#attempt.job.attempt;
  }

  get failures(): number {
    return this.#attempt.job.failures;
  }

  get tenant(): string {
    return this.#attempt.job.tenant;
  }

  get scheduledAt(): Date {
    return new Date(this.#attempt.job.dueAt);
  }

  get startedAt(): Date {
    return new Date(this.#attempt.startedAt);
  }

  get delayMs(): number {
    return delayOf(this.#attempt.job, this.#attempt.startedAt);
  }

  get schedule(): Context["schedule"] {
    const { job } = this.#attempt;
    if (job.schedule === undefined) return undefined;
    const host = this.#host;
    return {
      id: job.schedule.id,
      get metadata() {
        return job.metadata === undefined ? undefined : decodePayload(job.metadata);
      },
      lastCompletedAt: () => host.lastCompletedAt(job),
    };
  }

  get tick(): Context["tick"] {
    const { schedule } = this.#attempt.job;
    return schedule === undefined ? undefined : { at: new Date(schedule.tick), missed: schedule.missed };
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  // Functions of their own, so that a handler may take them apart: ({ log }) => ...
  get log(): Context["log"] {
    return (text) => this.#attempt.note(String(text));
  }

  get progress(): Context["progress"] {
    return (share) => this.#attempt.report(share);
  }

  get complete(): Context["complete"] {
    return async (tx, output) => {
      const attempt = this.#attempt;
      const encoded = encodePayload(output, "output", defaults.payloadBytesMax);
      attempt.completing = true;
      try {
        await this.#host.complete(attempt.job, tx, encoded);
      } catch (error) {
        attempt.completing = false;
        throw error;
      }
      attempt.completedInTransaction = true;
    };
  }

  get enqueue(): Context["enqueue"] {
    return this.#host.enqueueFor(this.#attempt.job.tenant);
  }
}
