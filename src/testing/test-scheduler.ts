// What `testScheduler` answers: a real scheduler on a clock that a test moves, with assertions and failures on demand.

import { type Duration, parseDuration } from "../core/duration.ts";
import { refuseUnknown } from "../core/options.ts";
import type { Task } from "../core/task.ts";
import type { Scheduler } from "../runtime/scheduler.ts";
import type { Role } from "../runtime/scheduler-options.ts";
import type { TickRecord } from "../runtime/tick-history.ts";
import type { JobView } from "../runtime/views.ts";
import { Evidence } from "./evidence.ts";
import { Expectations, type JobExpectation } from "./expectations.ts";
import { HandRunner, refuseByHand } from "./hand-runner.ts";
import { HandlerWatch } from "./handler-watch.ts";
import { InstantBound } from "./instant-bound.ts";
import type { JobMatch } from "./job-match.ts";
import { KitClock } from "./kit-clock.ts";
import { KitStore } from "./kit-store.ts";
import { LocalTime } from "./local-time.ts";
import { seededRandom } from "./seeded-random.ts";
import { aim, checkTestOptions, type EngineOn, type TestMode, type TestSchedulerOptions } from "./test-options.ts";
import type { TickMatch } from "./tick-match.ts";
import { WatchedScheduler } from "./watched-scheduler.ts";

/** A scheduler under test. Its clients are the scheduler's own. */
export class TestScheduler<Tx = never> implements AsyncDisposable {
  /** The scheduler itself, to be handed to the code under test. */
  readonly scheduler: Scheduler<Tx>;
  readonly clock: KitClock;
  readonly jobs: Scheduler<Tx>["jobs"];
  readonly timers: Scheduler<Tx>["timers"];
  readonly schedules: Scheduler<Tx>["schedules"];
  readonly queues: Scheduler<Tx>["queues"];
  readonly tenants: Scheduler<Tx>["tenants"];
  readonly events: Scheduler<Tx>["events"];
  readonly enqueue: Scheduler<Tx>["enqueue"];
  readonly enqueueMany: Scheduler<Tx>["enqueueMany"];
  readonly tenant: Scheduler<Tx>["tenant"];
  readonly #mode: TestMode;
  readonly #store: KitStore<Tx>;
  readonly #watch: HandlerWatch;
  readonly #runner: HandRunner<Tx>;
  readonly #expect: Expectations<Tx>;
  readonly #roles: readonly Role[];
  #stopping: Promise<void> | undefined;

  /** @internal Made and started by `testScheduler`. */
  constructor(engineOn: EngineOn<Tx>, options: TestSchedulerOptions) {
    const { mode, startAt, timezone, ioWait, jobsPerInstantMax, seed, roles, own } = checkTestOptions(options);
    const time = new LocalTime(timezone);
    this.#mode = mode;
    this.#roles = roles;
    // By hand, each job is a step of the test's own.
    const jobsMax = mode === "manual" ? Number.POSITIVE_INFINITY : jobsPerInstantMax;
    const bound = new InstantBound(jobsMax, () => this.clock.date(), time.show.bind(time));
    this.#watch = new HandlerWatch(parseDuration(ioWait, "ioWait"), bound);
    this.clock = new KitClock(time.read(startAt, "startAt"), time, this.#watch);
    const { clock } = this;
    this.#store = new KitStore(engineOn(clock), clock.now);
    this.#watch.refuse(this.#store.isDead);
    this.#runner = new HandRunner(this.#store, clock, this.#watch);
    if (mode === "manual") this.#store.guard(this.#runner.gate);
    this.scheduler = new WatchedScheduler<Tx>({
      ...own,
      engine: this.#store.engine,
      clock,
      random: seededRandom(seed),
      wrap: this.#watch.wrap,
      onEnqueue: mode === "inline" ? this.#runner.runEnqueued : undefined,
    });
    this.#expect = new Expectations(new Evidence(this.#store, clock.now), time, clock.now);
    const { scheduler } = this;
    ({ jobs: this.jobs, timers: this.timers, schedules: this.schedules, queues: this.queues } = scheduler);
    ({ tenants: this.tenants, events: this.events } = scheduler);
    this.enqueue = scheduler.enqueue.bind(scheduler);
    this.enqueueMany = scheduler.enqueueMany.bind(scheduler);
    this.tenant = scheduler.tenant.bind(scheduler);
  }

  /** @internal */
  async start(): Promise<this> {
    await this.scheduler.start({ roles: this.#roles });
    await this.clock.settle();
    return this;
  }

  /** Stops at once: what still runs is aborted, and nobody is waited for. A second call does nothing. */
  async stop(): Promise<void> {
    this.#watch.refuseInside("stop");
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#store.downUntil(Number.NEGATIVE_INFINITY);
    this.#store.deafUntil(Number.NEGATIVE_INFINITY);
    this.#watch.abandon(true);
    let stopped = false;
    const stopping = this.scheduler.stop({ timeout: 0 }).finally(() => {
      stopped = true;
    });
    // Its waits have an end, but it is the clock that must bring it.
    while (!stopped) await this.clock.advance("1s");
    await stopping;
    this.clock.end(true);
  }

  /**
   * Stops as `stop` does, which takes 1 s of the clock, lets so much time pass ("0s" by default) and starts again, as a
   * deployment or an outage of the process does. What was running is released, and runs again.
   */
  async restart(options: { readonly downFor?: Duration } = {}): Promise<void> {
    refuseUnknown(options, ["downFor"], "");
    const downMs = parseDuration(options.downFor ?? 0, "downFor");
    this.#watch.refuseInside("restart");
    await this.stop();
    this.#stopping = undefined;
    this.clock.end(false);
    await this.clock.advance(downMs);
    this.#watch.abandon(false);
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // Running by hand

  /** Lets everything that is due now run, without moving the clock. @throws as `clock.advance` does */
  settle(): Promise<void> {
    return this.clock.settle();
  }

  /** Manual mode: runs the next job that is due, and answers it as it is then; undefined when none is due. */
  async runNext(): Promise<JobView | undefined> {
    refuseByHand("runNext", this.#mode, this.#roles);
    return await this.#runner.runNext();
  }

  /**
   * Manual mode: runs what is due now, and what that makes due, until nothing is.
   * @throws AssertionError after `max` jobs, 1,000 by default
   */
  async drain(options: { readonly max?: number } = {}): Promise<JobView[]> {
    refuseByHand("drain", this.#mode, this.#roles);
    refuseUnknown(options, ["max"], "");
    return await this.#runner.drain(options.max ?? 1_000);
  }

  /** Manual mode: runs this job now, whenever it is due; a failed or cancelled one again. @throws NotFoundError, StateConflictError */
  async run(id: string): Promise<JobView> {
    refuseByHand("run", this.#mode, this.#roles);
    return await this.#runner.run(id);
  }

  // Looking

  /** Jobs, whatever their state, in the order they were enqueued: all, those of a task, those like a match. */
  async jobsOf<Input>(task?: Task<Input, unknown> | string, match: JobMatch<NoInfer<Input>> = {}): Promise<JobView[]> {
    return await this.#expect.jobsOf(task as Task | string | undefined, match as JobMatch);
  }

  /** A schedule's ticks, fired and skipped, in the order they were. */
  async ticksOf(schedule: string, options: { readonly tenant?: string } = {}): Promise<TickRecord[]> {
    refuseUnknown(options, ["tenant"], "");
    return await this.#expect.ticksOf(schedule, options.tenant);
  }

  // Assertions

  /** A job of the task was enqueued, whatever became of it since; answers the first. @throws AssertionError */
  async expectEnqueued<Input>(
    task: Task<Input, unknown> | string,
    match: JobExpectation<NoInfer<Input>> = {},
  ): Promise<JobView> {
    return await this.#some("be enqueued", task, match, this.expectEnqueued);
  }

  /** No such job was enqueued. @throws AssertionError */
  async expectNotEnqueued<Input>(
    task: Task<Input, unknown> | string,
    match: JobMatch<NoInfer<Input>> = {},
  ): Promise<void> {
    await this.#expect.noJob("be enqueued", task as Task | string, match as JobMatch, this.expectNotEnqueued);
  }

  /** A job of the task has completed; answers the first. @throws AssertionError */
  async expectCompleted<Input>(
    task: Task<Input, unknown> | string,
    match: Omit<JobExpectation<NoInfer<Input>>, "state"> = {},
  ): Promise<JobView> {
    return await this.#some("complete", task, { ...match, state: "completed" }, this.expectCompleted);
  }

  /** A job of the task has failed for good; answers the first. @throws AssertionError */
  async expectFailed<Input>(
    task: Task<Input, unknown> | string,
    match: Omit<JobExpectation<NoInfer<Input>>, "state"> = {},
  ): Promise<JobView> {
    return await this.#some("fail", task, { ...match, state: "failed" }, this.expectFailed);
  }

  /** A schedule has ticked, or with `skipped` has skipped a tick; answers the ticks. @throws AssertionError */
  async expectTick(schedule: string, match: TickMatch = {}): Promise<TickRecord[]> {
    return await this.#expect.someTick(schedule, match, this.expectTick);
  }

  /** A schedule has not ticked so. @throws AssertionError */
  async expectNoTick(schedule: string, match: Omit<TickMatch, "count"> = {}): Promise<void> {
    await this.#expect.noTick(schedule, match, this.expectNoTick);
  }

  #some<Input>(
    verb: string,
    task: Task<Input, unknown> | string,
    match: JobExpectation<Input>,
    from: (...parameters: never[]) => unknown,
  ): Promise<JobView> {
    return this.#expect.someJob(verb, task as Task | string, match as JobExpectation, from);
  }

  // Failures

  /**
   * Makes the next attempts of a task, or of one job, throw before their handler is called: `times` of them (1 by
   * default, Infinity for all), once `after` (0) others have passed.
   */
  fail<Input>(
    target: Task<Input, unknown> | string,
    options: { readonly times?: number; readonly after?: number; readonly error?: unknown } = {},
  ): void {
    refuseUnknown(options, ["times", "after", "error"], "", ["error"]);
    const { error = new Error("the test made it fail") } = options;
    const meet = () => {
      throw error;
    };
    this.#watch.interfere({ ...aim(target, options), meet });
  }

  /** Makes the next attempts sleep so long on the test's clock before their handler is called; `times` and `after` as for `fail`. */
  slow<Input>(
    target: Task<Input, unknown> | string,
    duration: Duration,
    options: { readonly times?: number; readonly after?: number } = {},
  ): void {
    refuseUnknown(options, ["times", "after"], "");
    const ms = parseDuration(duration, "duration");
    this.#watch.interfere({
      ...aim(target, options),
      meet: ({ signal }) => this.clock.sleep(ms, signal),
    });
  }

  /**
   * The worker's process dies: what runs is never heard of, and its jobs are claimed again when their leases end (30 s by
   * default). Another worker takes its place at once.
   */
  crash(): void {
    this.#store.abandonClaims();
    this.#watch.kill();
  }

  /** For so long nothing can be read or written: every call fails with NotWrittenError. */
  storeDown(duration: Duration): void {
    this.#store.downUntil(this.clock.now() + parseDuration(duration, "duration"));
  }

  /** For so long what is written is written, and its answer is lost: OutcomeUnknownError. */
  dropAnswers(duration: Duration): void {
    this.#store.deafUntil(this.clock.now() + parseDuration(duration, "duration"));
  }
}
