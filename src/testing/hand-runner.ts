// Runs jobs one by one: in manual mode when the test says so, in inline mode before an enqueue is answered.
import { AssertionError } from "node:assert";
import { defaults } from "../core/defaults.ts";
import type { ClaimRequest } from "../core/engine.ts";
import {
  AttemptTimeoutError,
  hasCode,
  InvalidInputError,
  NoHandlerError,
  NotFoundError,
  StateConflictError,
} from "../core/errors.ts";
import { checkJobId } from "../core/id.ts";
import type { ClaimedJob, Job } from "../core/job.ts";
import type { ItemOf } from "../core/transfer.ts";
import { applyClaim } from "../core/transitions.ts";
import type { Enqueued } from "../runtime/jobs-client.ts";
import type { Role } from "../runtime/scheduler-options.ts";
import { type JobView, viewJob } from "../runtime/views.ts";
import type { HandlerWatch } from "./handler-watch.ts";
import { endless } from "./instant-bound.ts";
import type { KitClock } from "./kit-clock.ts";
import type { ClaimGate, KitStore } from "./kit-store.ts";

/** So often a job is looked at again once everything has come to rest, for stores that answer late. */
const looksMax = 20;

/** What a test wants to be run: any job that is due, or one by its name. */
interface Wish {
  readonly id: Job["id"] | undefined;
  granted: boolean;
  claimed: ClaimedJob | undefined;
}

export class HandRunner<Tx> {
  readonly #store: KitStore<Tx>;
  readonly #clock: KitClock;
  readonly #watch: HandlerWatch;
  #wish: Wish | undefined;

  constructor(store: KitStore<Tx>, clock: KitClock, watch: HandlerWatch) {
    this.#store = store;
    this.#clock = clock;
    this.#watch = watch;
  }

  /** The worker claims nothing but what a test wishes for. */
  gate: ClaimGate = async (request, claim) => {
    const wish = this.#wish;
    this.#wish = undefined;
    if (wish === undefined) return { jobs: [], paused: [], limited: [] };
    wish.granted = true;
    if (wish.id !== undefined) {
      wish.claimed = await this.#lease(wish.id, request);
      return { jobs: [wish.claimed], paused: [], limited: [] };
    }
    const one = { ...request, limit: 1, starts: 1, wants: request.wants.map((want) => ({ ...want, limit: 1 })) };
    const { nextDueAt: _, ...answer } = await claim(one);
    wish.claimed = answer.jobs[0];
    return answer;
  };

  /** Runs the next job that is due; undefined when none is. */
  async runNext(): Promise<JobView | undefined> {
    const claimed = await this.#grant({ id: undefined, granted: false, claimed: undefined });
    return claimed === undefined ? undefined : await this.#run(claimed);
  }

  /** Runs what is due until nothing is. @throws AssertionError after `max` jobs */
  async drain(max: number): Promise<JobView[]> {
    const ran: JobView[] = [];
    for (let job = await this.runNext(); job !== undefined; job = await this.runNext()) {
      ran.push(job);
      if (ran.length <= max) continue;
      const message = `drain ran ${max} jobs and more are due: ${endless(ran.map(({ task }) => task))} Raise drain({ max }) if so many are right.`;
      throw new AssertionError({ message, operator: "fail", stackStartFn: this.drain });
    }
    return ran;
  }

  /**
   * Runs a job now, whenever it is due, even if its queue is paused; a failed or cancelled one again.
   * @throws NotFoundError, StateConflictError
   */
  async run(id: string): Promise<JobView> {
    const { jobs } = this.#store.inner;
    const job = await jobs.get(checkJobId(id));
    if (job === undefined) throw new NotFoundError(`there is no job ${id}`);
    if (job.successor === true) throw refusal(job, "waiting for the unfinished job of its key");
    if (!this.#watch.knows(job.task)) throw new NoHandlerError(`task ${job.task} of job ${id} has no handler`);
    if (job.state !== "pending") {
      const [answer] = await jobs.change([{ name: { id: job.id }, change: { kind: "retry" } }]);
      if (answer?.outcome !== "changed") throw refusal(job, answer?.state ?? job.state);
    }
    const claimed = await this.#grant({ id: job.id, granted: false, claimed: undefined });
    if (claimed === undefined) throw new NotFoundError(`job ${id} is gone`);
    return await this.#run(claimed);
  }

  /** Waits for what was enqueued and is due to have run. @throws what the first handler that failed has thrown */
  runEnqueued = async (enqueued: readonly Enqueued[]): Promise<void> => {
    // A handler's own enqueues are run by the worker, before the enqueue is answered that made it run.
    if (this.#watch.current !== undefined) return;
    const failures: unknown[] = [];
    for (const { id, outcome, dueAt, successor } of enqueued) {
      if (outcome === "existing" || successor === true || dueAt.getTime() > this.#clock.now()) continue;
      const job = await this.#ended(checkJobId(id));
      const last = job?.attempts.at(-1);
      if (last === undefined && job !== undefined && !this.#watch.knows(job.task)) {
        throw new NoHandlerError(`inline mode cannot run job ${id}: task ${job.task} has no handler`, {
          field: "task",
        });
      }
      if (last?.outcome !== "failed" && last?.outcome !== "timed-out") continue;
      const thrown = this.#watch.errorOf(id);
      const reason = job?.reason ?? last.outcome;
      if (last.outcome === "failed") failures.push(thrown ?? new Error(reason));
      else failures.push(hasCode(thrown, "ATTEMPT_TIMEOUT") ? thrown : new AttemptTimeoutError(reason));
    }
    if (failures.length > 0) throw failures[0];
  };

  async #grant(wish: Wish): Promise<ClaimedJob | undefined> {
    this.#wish = wish;
    this.#store.wake();
    for (let looks = 0; looks < looksMax; looks++) {
      await this.#clock.settle();
      if (wish.granted) return wish.claimed;
    }
    this.#wish = undefined;
    throw new AssertionError({
      operator: "fail",
      message:
        "the worker does not look for jobs: it was stopped, all its slots are taken, or the store was down and it waits before it tries again",
    });
  }

  /** As the job is after its attempt, or as it was claimed when retention keeps nothing of it. */
  async #run(claimed: ClaimedJob): Promise<JobView> {
    return (await this.#ended(claimed.id)) ?? viewJob(claimed, this.#clock.now());
  }

  /** Waits for a job's attempt to end, moving the clock on while its handler sleeps; undefined when it is not stored. */
  async #ended(id: Job["id"]): Promise<JobView | undefined> {
    for (let looks = 0; looks < looksMax; ) {
      await this.#clock.settle();
      const job = await this.#store.inner.jobs.get(id);
      const now = this.#clock.now();
      if (job === undefined) return undefined;
      if (job.state !== "active" || this.#store.isDead(job.id, job.attempt)) return viewJob(job, now);
      const wakesAt = this.#watch.wakesAt(job.id);
      if (wakesAt === undefined) looks++;
      else await this.#clock.advance(wakesAt - now);
    }
    throw new AssertionError({
      operator: "fail",
      message: `job ${id} has not ended: its handler waits for something other than clock.sleep for longer than ioWait, or the store is down`,
    });
  }

  /** Leases a job to the worker past its queue: whatever else is due, paused or at its limit, only this one moves. */
  async #lease(id: Job["id"], { claimId: token, worker, leaseMs }: ClaimRequest): Promise<ClaimedJob> {
    const { transfer } = this.#store.inner;
    const { seq, job } = await this.#itemOf(id);
    const claimed = applyClaim(job, { token, worker, leaseMs, startsNow: true }, this.#clock.now());
    const { recovered: _, ...stored } = claimed;
    await transfer.write({ items: [{ kind: "job", seq, job: stored }], remove: [] });
    return claimed;
  }

  async #itemOf(id: Job["id"]): Promise<ItemOf<"job">> {
    const { transfer } = this.#store.inner;
    let page = await transfer.read({ limit: defaults.pageLimitMax });
    for (;;) {
      const found = page.items.find((item) => item.kind === "job" && item.job.id === id);
      if (found?.kind === "job") return found;
      if (page.next === undefined) throw new NotFoundError(`there is no job ${id}`);
      page = await transfer.read({ limit: defaults.pageLimitMax, cursor: page.next });
    }
  }
}

/** @throws InvalidInputError in a mode where jobs run by themselves; NoHandlerError where nothing runs them */
export function refuseByHand(verb: string, mode: string, roles: readonly Role[]): void {
  if (mode !== "manual") {
    const message = `${verb} needs testScheduler({ mode: "manual" }): in mode ${mode} jobs run by themselves`;
    throw new InvalidInputError(message, { field: "mode" });
  }
  if (roles.includes("worker")) return;
  throw new NoHandlerError(
    `${verb} needs a worker, and there is none: testScheduler got no handlers, or roles without it`,
    {
      mend: 'Give testScheduler handlers; roles, if you name them, need "worker".',
    },
  );
}

function refusal({ id }: Pick<Job, "id">, state: string): StateConflictError {
  return new StateConflictError(`job ${id} is ${state}: it cannot be run`, { field: "id" });
}
