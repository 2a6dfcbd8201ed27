// The store of a simulated world: an engine, what its last call changed, and the way back to an earlier state of it.
import type { Engine } from "../../src/core/engine.ts";
import { resolveHistory } from "../../src/core/history.ts";
import type { JobId } from "../../src/core/id.ts";
import { isFinished, type Job } from "../../src/core/job.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Signal } from "../../src/core/signal.ts";
import { engineOver } from "../../src/engines/memory/engine.ts";
import { scheduleKey, World } from "../../src/world/world.ts";

/** What was written since it was last asked, as it is now; undefined: gone. */
export interface Changes {
  readonly jobs: ReadonlyMap<JobId, Job | undefined>;
  readonly schedules: ReadonlyMap<string, Schedule | undefined>;
}

export interface SimulatedStore {
  readonly engine: Engine;
  readonly watchers: Set<(signal: Signal) => void>;
  changes(): Promise<Changes>;
  /** Keeps what is stored now; the answer brings it back. */
  keep(): () => void;
}

/** Makes a store on a clock. */
export type MakeStore = (now: () => number) => Promise<SimulatedStore>;

/** So many finished jobs are kept that retention hides nothing. */
export const retention = { completedCountMax: 1_000_000, endedCountMax: 1_000_000 };

/** A world that remembers what was written. */
class WatchedWorld extends World {
  touchedJobs = new Set<JobId>();
  touchedSchedules = new Set<string>();

  override save(job: Job, now: number): void {
    super.save(job, now);
    this.touchedJobs.add(job.id);
  }

  override drop(id: JobId): void {
    super.drop(id);
    this.touchedJobs.add(id);
  }

  override saveSchedule(schedule: Schedule): void {
    super.saveSchedule(schedule);
    this.touchedSchedules.add(scheduleKey(schedule));
  }

  override removeSchedule(schedule: Schedule): void {
    super.removeSchedule(schedule);
    this.touchedSchedules.add(scheduleKey(schedule));
  }
}

class MemoryStore implements SimulatedStore {
  readonly watchers = new Set<(signal: Signal) => void>();
  engine: Engine;
  readonly #now: () => number;
  #world: WatchedWorld;

  constructor(now: () => number) {
    this.#now = now;
    this.#world = new WatchedWorld({ now }, resolveHistory({ retention }));
    this.engine = this.#engineOver(this.#world);
  }

  #engineOver(world: WatchedWorld): Engine {
    world.watchers.add((signal) => {
      for (const watcher of this.watchers) watcher(signal);
    });
    return engineOver(world);
  }

  async changes(): Promise<Changes> {
    const world = this.#world;
    const { touchedJobs, touchedSchedules } = world;
    world.touchedJobs = new Set();
    world.touchedSchedules = new Set();
    return {
      jobs: new Map([...touchedJobs].map((id) => [id, world.jobs.get(id)?.job])),
      schedules: new Map([...touchedSchedules].map((key) => [key, world.schedules.get(key)])),
    };
  }

  keep(): () => void {
    const from = this.#world;
    const jobs = [...from.jobs.values()].sort((a, b) => a.seq - b.seq).map(({ job }) => job);
    const schedules = [...from.schedules.values()];
    const idempotency = [...from.idempotency];
    const events = [...from.events];
    return () => {
      const world = new WatchedWorld({ now: this.#now }, resolveHistory({ retention }));
      for (const job of jobs) world.save(job, this.#now());
      for (const schedule of schedules) world.saveSchedule(schedule);
      for (const [key, used] of idempotency) world.remember(key, used);
      for (const event of events) world.append(event);
      for (const { job } of world.jobs.values()) {
        if (isFinished(job.state)) world.lane(job.queue, job.tenant).totals[job.state as "completed"]++;
      }
      world.touchedJobs.clear();
      world.touchedSchedules.clear();
      this.#world = world;
      this.engine = this.#engineOver(world);
    };
  }
}

export const memoryStore: MakeStore = async (now) => new MemoryStore(now);
