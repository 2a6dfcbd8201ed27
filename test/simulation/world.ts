// A simulated world: processes over one store in one virtual time, with every trouble there is; then a quiet while, at
// whose end everything must have ended. The seed decides all of it.

import type { ClaimRequest } from "../../src/core/engine.ts";
import { hasCode } from "../../src/core/errors.ts";
import { Clients } from "./clients.ts";
import { Oracle } from "./oracle.ts";
import { watchPickUp } from "./pick-up.ts";
import { SimulatedProcess } from "./process.ts";
import { Random } from "./random.ts";
import type { PromiseId } from "./scene.ts";
import type { Changes, MakeStore, SimulatedStore } from "./store.ts";
import { Timeline } from "./timeline.ts";
import { describeStep } from "./trace.ts";
import type { Call, Trouble } from "./wire.ts";

/** How long the troubles last, and at most the quiet after them, in ms. */
const troubledMs = 30_000;
const quietMsMax = 400_000;
/** Schedules go on so long into the quiet. */
const scheduledMs = 6_000;
/** Steps beyond which the world is taken to spin. */
const stepsMax = 150_000;

const calm: Trouble = { failing: 0, slow: 0, slowMsMax: 0 };

/** A promise that was broken, and by what. */
export interface Breach {
  readonly promise: PromiseId;
  readonly how: string;
}

export class World {
  readonly seed: number;
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly leaseMs: number;
  readonly oracle: Oracle;
  readonly store: SimulatedStore;
  readonly counts = new Map<string, number>();
  readonly lines: string[] = [];
  breach: Breach | undefined;
  quiet = false;
  trouble: Trouble;
  readonly #clients: Clients;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #shorts = new Map<string, string>();
  readonly #size: number;
  #born = 0;
  #requests = 0;
  #steps = 0;

  private constructor(seed: number, timeline: Timeline, store: SimulatedStore) {
    this.seed = seed;
    this.timeline = timeline;
    this.store = store;
    this.random = new Random(seed);
    this.leaseMs = this.random.between(2, 6) * 1_000;
    this.#size = this.random.between(2, 5);
    this.trouble = this.random.pick([
      { failing: 0.01, slow: 0.01, slowMsMax: 500 },
      { failing: 0.03, slow: 0.05, slowMsMax: 3_000 },
      { failing: 0.1, slow: 0.1, slowMsMax: 1.5 * this.leaseMs },
      { failing: 0, slow: 0.2, slowMsMax: 1.5 * this.leaseMs },
      { failing: 0.05, slow: 0.4, slowMsMax: this.leaseMs },
    ]);
    this.oracle = new Oracle({
      now: timeline.now,
      leaseMs: this.leaseMs,
      lifeOf: (worker) => this.#processes.get(worker),
      shortOf: (id) => this.shortOf(id),
      broken: (promise, how) => this.broken(promise, how),
      count: (what, times) => this.count(what, times),
    });
    this.#clients = new Clients(this);
  }

  static async make(seed: number, makeStore: MakeStore): Promise<World> {
    const timeline = new Timeline();
    return new World(seed, timeline, await makeStore(timeline.now));
  }

  /** Runs the world to its end, or to the first broken promise. */
  async run(): Promise<void> {
    for (let n = 0; n < this.#size; n++) this.#bear();
    this.#often(250, () => this.#withAny((process) => this.#clients.act(process)));
    this.#often(6_000, () => this.#withAny((process) => process.crash()));
    this.#often(6_000, () => this.#withAny((process) => process.pause(this.random.between(10, 2 * this.leaseMs))));
    this.#often(10_000, () => this.#withAny((process) => process.cut(this.random.between(100, 8_000))));
    this.#often(10_000, () => this.#withAny((process) => process.jumpWall()));
    this.#often(12_000, () => this.#withAny((process) => void process.drain()));
    if (this.random.chance(0.2)) this.timeline.in(this.random.between(5_000, troubledMs), () => this.#blackout());
    if (this.random.chance(0.5)) this.#planReturn();
    this.timeline.in(troubledMs, () => this.#calmDown());
    watchPickUp(this, () => this.#processes.values());
    while (this.breach === undefined && !this.#isOver() && (await this.timeline.step())) {
      if (++this.#steps > stepsMax) this.broken("J1", `${stepsMax} steps have come to no end`);
    }
    this.#clients.checkSkipped();
    this.trace(`the end: ${this.#steps} steps, ${this.oracle.picture.jobs.size} jobs, next ${this.random.next()}`);
    this.count("steps", this.#steps);
  }

  // What the parts of the world ask of it

  see(call: Call, answer: unknown, changes: Changes): void {
    const line = describeStep(call, answer, changes, (id) => this.shortOf(id));
    if (line !== undefined) this.trace(line);
    this.oracle.see(call, answer, changes);
    // How long a lease lasts that a claim made again finds, its worker can only estimate, on the safe side.
    const [first] = call.parameters;
    if (call.method === "jobs.claim" && (first as ClaimRequest).repeat === true) {
      this.#processes.get(call.process)?.troubled(this.leaseMs);
    }
  }

  broken(promise: PromiseId, how: string): void {
    if (this.breach !== undefined) return;
    this.breach = { promise, how };
    this.trace(`BROKEN ${promise}: ${how}`);
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  trace(line: string): void {
    this.lines.push(`${(this.timeline.elapsedMs / 1_000).toFixed(3)} ${line}`);
  }

  nextRequest(): number {
    return ++this.#requests;
  }

  /** A handler was given the id of a job. */
  told(id: string): void {
    this.#clients.heard(id);
    if (!this.oracle.everStored.has(id)) this.broken("J1", `${this.shortOf(id)} was accepted and never stored`);
  }

  shortOf(id: string): string {
    const short = this.#shorts.get(id) ?? `j${this.#shorts.size + 1}`;
    this.#shorts.set(id, short);
    return short;
  }

  anyRunning(): SimulatedProcess | undefined {
    const running = [...this.#processes.values()].filter(({ state }) => state === "running");
    return running.length === 0 ? undefined : this.random.pick(running);
  }

  /** A process is gone; another takes its place some time later. */
  left(_: SimulatedProcess): void {
    this.timeline.in(this.quiet ? 200 : this.random.between(50, 5_000), () => this.#bear());
  }

  // Its course

  #bear(): void {
    const n = ++this.#born;
    const roles = this.random.pick([
      ["worker", "ticker", "janitor"],
      ["worker", "ticker"],
      ["worker"],
      ["ticker"],
    ] as const);
    const process = new SimulatedProcess(this, `p${n}`, this.quiet ? ["worker", "ticker"] : roles);
    this.#processes.set(process.name, process);
    this.trace(`${process.name} is born: ${process.roles.join(", ")}, ${process.concurrency} slots`);
    process.start();
  }

  #often(meanMs: number, act: () => void): void {
    this.timeline.in(this.random.waitMs(meanMs), () => {
      if (this.quiet) return;
      act();
      this.#often(meanMs, act);
    });
  }

  #withAny(act: (process: SimulatedProcess) => void): void {
    const process = this.anyRunning();
    if (process !== undefined) act(process);
  }

  #blackout(): void {
    this.trace("all processes crash");
    for (const process of this.#processes.values()) process.crash();
  }

  /** The store is kept as it is now, and goes back to it later. */
  #planReturn(): void {
    this.timeline.in(this.random.between(2_000, troubledMs - 12_000), () => {
      const storeBack = this.store.keep();
      const oracleBack = this.oracle.keep();
      this.trace("the store is kept");
      this.timeline.in(this.random.between(100, 10_000), () => {
        this.trace("the store goes back");
        this.count("returns");
        storeBack();
        oracleBack();
      });
    });
  }

  #calmDown(): void {
    this.trace("calm");
    this.quiet = true;
    this.trouble = calm;
    for (const process of this.#processes.values()) {
      process.wire.cut(0);
      // A process without a worker or a ticker makes room for one with both.
      if (process.state !== "ended" && process.roles.length < 2) process.crash();
    }
    this.timeline.in(scheduledMs, () => this.#removeSchedules());
    this.timeline.in(quietMsMax, () => {
      const [first] = this.oracle.unfinished();
      const what = first === undefined ? "a request" : `${this.shortOf(first.id)} (${first.task}, ${first.state})`;
      this.broken("J1", `${what} has not ended ${quietMsMax / 1_000} s after all troubles`);
    });
  }

  #removeSchedules(): void {
    const process = this.anyRunning();
    const { schedules } = this.oracle.picture;
    for (const { id } of process === undefined ? [] : schedules.values()) {
      process?.scheduler.schedules.remove(id).catch((error: unknown) => {
        // Its store was away when it began to open it, or an answer was lost: that is said, and it is removed the next time.
        const isAway = hasCode(error, "NOT_WRITTEN") || hasCode(error, "OUTCOME_UNKNOWN");
        if (!isAway) this.broken("J1", `remove ${id}: ${error}`);
      });
    }
    // A client that was paused may still make one.
    this.timeline.in(500, () => this.#removeSchedules());
  }

  #isOver(): boolean {
    if (!this.quiet || this.timeline.elapsedMs < troubledMs + scheduledMs + 1_000) return false;
    return (
      this.#clients.open === 0 && this.oracle.unfinished().length === 0 && this.oracle.picture.schedules.size === 0
    );
  }
}
