// The oracle: a model beside the store, which looks at every step and says which promise it breaks.
import type {
  ClaimAnswer,
  ClaimRequest,
  ExtendOutcome,
  Extension,
  FireAnswer,
  FireRequest,
  Insert,
  InsertAnswer,
  SettleAnswer,
} from "../../src/core/engine.ts";
import type { JobId } from "../../src/core/id.ts";
import { isFinished, type Job } from "../../src/core/job.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Settlement } from "../../src/core/settling.ts";
import { checkInsert } from "./insert-checks.ts";
import { checkJobs } from "./job-checks.ts";
import { checkClaim, checkExtend, checkSettle } from "./lease-checks.ts";
import { Picture } from "./picture.ts";
import { Runs } from "./runs.ts";
import type { Change, Life, PromiseId, Scene } from "./scene.ts";
import { checkFire, checkSchedules } from "./schedule-checks.ts";
import type { Changes } from "./store.ts";
import type { Call } from "./wire.ts";

export interface OracleOptions {
  readonly now: () => number;
  readonly leaseMs: number;
  readonly lifeOf: (worker: string) => Life | undefined;
  readonly shortOf: (id: string) => string;
  readonly broken: (promise: PromiseId, how: string) => void;
  readonly count: (what: string, times?: number) => void;
}

export class Oracle {
  readonly runs = new Runs();
  /** Every job there ever was, even when the store has forgotten it. */
  readonly everStored = new Set<JobId>();
  readonly #tickIds = new Map<string, JobId>();
  readonly #options: OracleOptions;
  #picture = new Picture();
  #wentBackAt = Number.NEGATIVE_INFINITY;

  constructor(options: OracleOptions) {
    this.#options = options;
  }

  get picture(): Picture {
    return this.#picture;
  }

  get wentBackAt(): number {
    return this.#wentBackAt;
  }

  /** Takes in a step of the store and checks it. */
  see(call: Call, answer: unknown, changes: Changes): void {
    const picture = this.#picture;
    const jobs = new Map<JobId, Change<Job>>();
    for (const [id, after] of changes.jobs) {
      const before = picture.jobs.get(id);
      if (before === after) continue;
      jobs.set(id, { before, after });
      picture.put(id, after);
      this.everStored.add(id);
      picture.since.set(id, this.#options.now());
    }
    const schedules = new Map<string, Change<Schedule>>();
    for (const [key, after] of changes.schedules) {
      schedules.set(key, { before: picture.schedules.get(key), after });
      if (after === undefined) picture.schedules.delete(key);
      else picture.schedules.set(key, after);
    }
    this.#check(
      {
        ...this.#options,
        call,
        now: this.#options.now(),
        picture,
        jobs,
        schedules,
        runs: this.runs,
        tickIds: this.#tickIds,
        wentBackAt: this.#wentBackAt,
        forgetsUntil: this.#wentBackAt + 2 * this.#options.leaseMs,
        before: (id) => (jobs.has(id) ? jobs.get(id)?.before : picture.jobs.get(id)),
      },
      answer,
    );
  }

  #check(scene: Scene, answer: unknown): void {
    const [first, second] = scene.call.parameters;
    checkJobs(scene);
    checkSchedules(scene);
    switch (scene.call.method) {
      case "jobs.insert":
        checkInsert(scene, first as Insert[], answer as InsertAnswer[]);
        break;
      case "jobs.claim":
        checkClaim(scene, first as ClaimRequest, answer as ClaimAnswer);
        break;
      case "jobs.extend":
        checkExtend(scene, first as Extension[], answer as ExtendOutcome[], second as number);
        break;
      case "jobs.settle":
        checkSettle(scene, first as Settlement[], answer as SettleAnswer[]);
        break;
      case "schedules.fire":
        checkFire(scene, first as FireRequest, answer as FireAnswer);
        break;
    }
  }

  /** Jobs that have not ended. */
  unfinished(): Job[] {
    return [...this.#picture.jobs.values()].filter(({ state }) => !isFinished(state));
  }

  /** Keeps the model as it is; the answer brings it back, as the store went back. */
  keep(): () => void {
    const kept = this.#picture.copy();
    return () => {
      this.#picture = kept;
      this.#wentBackAt = this.#options.now();
    };
  }
}
