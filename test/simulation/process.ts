// One process of a simulated world: the real scheduler with its roles, on a clock and a wire of its own.
import { defaults } from "../../src/core/defaults.ts";
import { createScheduler, type Role, type Scheduler } from "../../src/index.ts";
import type { Run } from "./runs.ts";
import type { Life } from "./scene.ts";
import { handlersOf } from "./tasks.ts";
import { ProcessClock } from "./timeline.ts";
import { Wire } from "./wire.ts";
import type { World } from "./world.ts";

const hourMs = 3_600_000;

export class SimulatedProcess implements Life {
  readonly name: string;
  readonly world: World;
  readonly clock: ProcessClock;
  readonly wire: Wire;
  readonly scheduler: Scheduler;
  readonly roles: readonly Role[];
  readonly concurrency: number;
  troubledAt: number;
  resumedAt = Number.NEGATIVE_INFINITY;
  /** Since when its claims have been answered without trouble, in the store's time. */
  wellSince = Number.POSITIVE_INFINITY;
  /** Since when it has had a free slot, in the store's time. */
  freeSince: number;
  #running = 0;

  constructor(world: World, name: string, roles: readonly Role[]) {
    const { random, timeline, store } = world;
    this.world = world;
    this.name = name;
    this.roles = roles;
    this.concurrency = random.between(1, 4);
    this.troubledAt = timeline.now();
    this.freeSince = timeline.now();
    const skews = [
      0,
      random.between(-5_000, 5_000),
      random.between(-5, 5) * hourMs,
      random.between(-400, 400) * 24 * hourMs,
    ];
    this.clock = new ProcessClock(timeline, world.quiet ? 0 : random.pick(skews));
    this.wire = new Wire({
      process: name,
      timeline,
      clock: this.clock,
      store,
      random,
      trouble: () => world.trouble,
      onApplied: (call, answer, changes) => world.see(call, answer, changes),
      onTrouble: (method, fate, ms) => {
        world.trace(`${name} ${method}: ${fate}`);
        world.count(`calls ${fate}`);
        this.troubled(ms);
      },
      onAnswered: (method, fate) => {
        const well = method === "jobs.claim" && fate === "answered" && this.troubledAt <= timeline.now();
        if (well) this.wellSince = Math.min(this.wellSince, timeline.now());
      },
      broken: (promise, how) => world.broken(promise, how),
      onBug: (error, method) => world.broken("J1", `${method} threw ${String(error)}`),
    });
    this.scheduler = createScheduler({
      engine: this.wire.engine,
      clock: this.clock,
      random: random.next,
      handlers: handlersOf(this),
      worker: { name, lease: world.leaseMs, concurrency: this.concurrency },
    });
    this.#listen();
  }

  get state(): Life["state"] {
    return this.clock.state;
  }

  #listen(): void {
    const { world, scheduler, name } = this;
    scheduler.on("job:completed", ({ id, attempt }) => {
      const runs = world.oracle.runs.of(id, attempt, name);
      if (!runs.some(({ end }) => end === "returned"))
        world.broken("J3", `${name} says that it completed ${world.shortOf(id)}`);
    });
    scheduler.on("job:lease-lost", ({ id }) => {
      world.count("leases lost");
      world.trace(`${name} lost the lease of ${world.shortOf(id)}`);
    });
  }

  /** Starts its roles, again and again while the store is away. */
  start(): void {
    if (this.roles.length === 0) return;
    this.scheduler.start({ roles: this.roles }).catch((error: unknown) => {
      this.world.trace(`${this.name} does not start: ${String(error)}`);
      this.clock.after(500, () => this.start());
    });
  }

  begin(run: Run): void {
    this.world.oracle.runs.begin(run);
    this.#running++;
    this.world.trace(`${this.name} runs ${this.world.shortOf(run.job)}#${run.attempt}`);
    if (this.#running >= this.concurrency) this.freeSince = Number.POSITIVE_INFINITY;
    else if ((this.world.oracle.picture.jobs.get(run.job)?.crashes ?? 0) >= defaults.quarantineCrashes) {
      // Beside what has crashed its workers nothing else is taken for a while.
      this.freeSince = Math.max(this.freeSince, this.world.timeline.now() + this.world.leaseMs * defaults.extendShare);
    }
  }

  end(run: Run, end: NonNullable<Run["end"]>): void {
    this.world.oracle.runs.end(run, end);
    this.#running--;
    this.world.trace(`${this.name} ${end} ${this.world.shortOf(run.job)}#${run.attempt}`);
    if (this.freeSince === Number.POSITIVE_INFINITY) this.freeSince = this.world.timeline.now();
  }

  /** Killed: nothing of it runs ever again. */
  crash(): void {
    if (this.state === "ended") return;
    this.world.trace(`${this.name} crashes`);
    this.world.count("crashes");
    this.#leave();
  }

  pause(ms: number): void {
    if (this.state !== "running") return;
    this.world.trace(`${this.name} is paused for ${ms} ms`);
    this.world.count("pauses");
    this.clock.stop();
    this.world.timeline.in(ms, () => {
      if (this.state === "ended") return;
      this.clock.resume();
      this.resumedAt = this.world.timeline.now();
      this.troubled(0);
    });
  }

  /** The store cannot be reached for a while. */
  cut(ms: number): void {
    this.world.trace(`${this.name} is cut off for ${ms} ms`);
    this.world.count("outages");
    this.wire.cut(ms);
    this.troubled(ms);
  }

  jumpWall(): void {
    const { random } = this.world;
    this.world.count("clock jumps");
    this.clock.jumpWall(random.pick([-1, 1]) * random.pick([800, 60_000, hourMs, 30 * 24 * hourMs]));
  }

  /** Stopped in an orderly way; then it is gone. */
  async drain(): Promise<void> {
    this.world.trace(`${this.name} drains`);
    this.world.count("drains");
    this.troubled(this.world.leaseMs);
    await this.scheduler.stop({ timeout: this.world.random.between(0, 2_000) });
    // A start that was under way when it stopped.
    if (this.state !== "ended") this.#leave();
  }

  #leave(): void {
    this.clock.end();
    this.wire.abandon();
    this.world.oracle.runs.forget(this.name);
    this.world.left(this);
  }

  /** What befalls it now, and for so long, is not its own doing. */
  troubled(ms: number): void {
    this.troubledAt = Math.max(this.troubledAt, this.world.timeline.now() + ms);
    this.wellSince = Number.POSITIVE_INFINITY;
  }
}
