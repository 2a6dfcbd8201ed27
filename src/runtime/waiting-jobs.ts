// Claimed jobs that wait for a slot. Lanes (a tenant's jobs in a queue) are served in turn, so what was prefetched from
// one tenant's backlog does not stand before another's job; within a lane priority and the order of claiming hold.
import type { ClaimedJob } from "../core/job.ts";

interface Lane {
  readonly tenant: string;
  readonly queue: string;
  /** As they are to start; never empty. */
  jobs: ClaimedJob[];
}

export class WaitingJobs {
  /** Jobs the store has marked as started: they go before all others, as their start is already counted (J4). */
  #started: ClaimedJob[] = [];
  /** Lanes with jobs, the next to be served first. */
  #turns: Lane[] = [];
  /** The lane served last, while no other has been: whoever comes now goes before it. */
  #justServed: Lane | undefined;
  #size = 0;
  #recovered = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether there are any that may have crashed a worker: counted, as it is asked for with every job that ends. */
  get anyRecovered(): boolean {
    return this.#recovered > 0;
  }

  /** Lanes that wait for their turn. */
  get lanes(): number {
    return this.#turns.length;
  }

  add(job: ClaimedJob): void {
    this.#size++;
    if (job.recovered) this.#recovered++;
    if (job.started === true) this.#started.push(job);
    else insertByPriority((this.#find(job) ?? this.#enter(job)).jobs, job);
  }

  /** The next to start. */
  take(): ClaimedJob | undefined {
    const job = this.#started.shift() ?? this.#takeInTurn();
    if (job !== undefined) this.#gone(job);
    return job;
  }

  /** Takes out all for which it holds. */
  takeWhere(which: (job: ClaimedJob) => boolean): ClaimedJob[] {
    const taken: ClaimedJob[] = [];
    const stays = (job: ClaimedJob) => {
      if (!which(job)) return true;
      taken.push(job);
      this.#gone(job);
      return false;
    };
    this.#started = this.#started.filter(stays);
    for (const lane of this.#turns) lane.jobs = lane.jobs.filter(stays);
    this.#turns = this.#turns.filter(({ jobs }) => jobs.length > 0);
    return taken;
  }

  takeAll(): ClaimedJob[] {
    return this.takeWhere(() => true);
  }

  some(which: (job: ClaimedJob) => boolean): boolean {
    return this.#started.some(which) || this.#turns.some(({ jobs }) => jobs.some(which));
  }

  #gone({ recovered }: ClaimedJob): void {
    this.#size--;
    if (recovered) this.#recovered--;
  }

  #find({ tenant, queue }: ClaimedJob): Lane | undefined {
    return this.#turns.findLast((lane) => lane.tenant === tenant && lane.queue === queue);
  }

  #enter({ tenant, queue }: ClaimedJob): Lane {
    const lane = { tenant, queue, jobs: [] };
    const last = this.#turns.at(-1);
    if (last !== undefined && last === this.#justServed) this.#turns.splice(-1, 0, lane);
    else this.#turns.push(lane);
    return lane;
  }

  #takeInTurn(): ClaimedJob | undefined {
    const [lane] = this.#turns;
    const job = lane?.jobs.shift();
    if (lane === undefined) return undefined;
    this.#justServed = lane;
    if (lane.jobs.length === 0) this.#turns.shift();
    else if (this.#turns.length > 1) this.#turns.push(...this.#turns.splice(0, 1));
    return job;
  }
}

/** Behind all that are as urgent or more. Claims come in this order already, but for a later claim's urgent jobs. */
function insertByPriority(jobs: ClaimedJob[], job: ClaimedJob): void {
  const last = jobs.at(-1);
  if (last === undefined || last.priority <= job.priority) jobs.push(job);
  else
    jobs.splice(
      jobs.findIndex(({ priority }) => priority > job.priority),
      0,
      job,
    );
}
