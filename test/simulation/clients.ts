// What the users of a simulated world do: enqueue, repeat what nobody knows, cancel, retry, set and remove schedules.
import { cron, type EnqueueOptions, type ErrorCode, every, hasCode, type Task } from "../../src/index.ts";
import type { Enqueued } from "../../src/runtime/jobs-client.ts";
import type { ScheduleOptions } from "../../src/runtime/schedule-options.ts";
import type { SimulatedProcess } from "./process.ts";
import { broken, deaf, flaky, type Input, long, poison, quick, rearm, work } from "./tasks.ts";
import type { World } from "./world.ts";

/** Refusals that are part of life here. */
const expected: readonly ErrorCode[] = [
  "NOT_WRITTEN",
  "OUTCOME_UNKNOWN",
  "KEY_IN_USE",
  "STATE_CONFLICT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "REVISION_CONFLICT",
  "STOPPED",
];

interface Wish {
  readonly task: Task<Input>;
  readonly input: Input;
  readonly options: EnqueueOptions;
}

/** A repeat of a request whose outcome nobody knows is tried so often. */
const repeatsMax = 6;

export class Clients {
  /** Requests whose client still waits or will ask again. */
  open = 0;
  readonly #world: World;
  readonly #ids: string[] = [];
  /** Nominal ticks of triggers that were told that they were skipped. */
  readonly #skipped = new Set<number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Remembers a job that somebody may want to cancel or retry. */
  heard(id: string): void {
    this.#ids.push(id);
  }

  /** J15: what was said to be skipped has made no job, nor does it later. */
  checkSkipped(): void {
    for (const job of this.#world.oracle.picture.jobs.values()) {
      if (job.schedule === undefined || !this.#skipped.has(job.schedule.tick)) continue;
      this.#world.broken("J15", `a trigger made ${this.#world.shortOf(job.id)} and was told that it was skipped`);
    }
  }

  /** One of them does something through a process. */
  act(process: SimulatedProcess): void {
    const { random } = this.#world;
    const acts: readonly (readonly [number, () => void])[] = [
      [34, () => this.#ask(process, this.#wish())],
      [24, () => this.#ask(process, this.#keyedWish())],
      [4, () => this.#askTwice(process)],
      [4, () => this.#askMany(process)],
      [5, () => this.#ask(process, { ...this.#keyedWish(), task: rearm })],
      [6, () => this.#withJob(process, "cancels", (id) => process.scheduler.jobs.cancel(id))],
      [4, () => this.#withJob(process, "retries", (id) => process.scheduler.jobs.retry(id))],
      [4, () => this.#try(process, "cancels a timer", () => process.scheduler.timers.cancel({ key: this.#key() }))],
      [9, () => this.#schedule(process)],
      [8, () => this.#trigger(process)],
    ];
    let left = random.next() * acts.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of acts) {
      left -= weight;
      if (left < 0) {
        act();
        return;
      }
    }
  }

  #key(): string {
    return this.#world.random.pick(["a", "b", "c"]);
  }

  #wish(options: EnqueueOptions = {}): Wish {
    const { random } = this.#world;
    const task = random.pick([quick, quick, work, work, work, long, deaf, flaky, broken]);
    const delay = random.chance(0.5) ? 0 : random.between(1, 8_000);
    const wish = {
      input: { r: this.#world.nextRequest() },
      options: { ...options, delay, priority: random.between(1, 10) },
    };
    if (random.chance(0.02)) return { ...wish, task: poison, options: { ...wish.options, attempts: 1 } };
    return { ...wish, task };
  }

  /** All keyed jobs are in one queue, so that their keys meet. */
  #keyedWish(): Wish {
    const { random } = this.#world;
    const onConflict = random.pick(["ignore", "replace", "replace", "error"] as const);
    const wish = this.#wish({ key: this.#key(), onConflict, queue: "default" });
    return { ...wish, task: random.pick([work, work, flaky, long]) };
  }

  #ask(process: SimulatedProcess, wish: Wish, tries = 0): void {
    const { task, input, options } = wish;
    this.#try(
      process,
      `enqueues ${task.name} ${input.r}${options.key === undefined ? "" : ` ${options.onConflict} ${options.key}`}`,
      () => process.scheduler.enqueue(task, input, options),
      (enqueued) => this.#accepted(enqueued),
      (error) => {
        // Somebody else of the client's asks again, under the id that the error names (J15).
        const [id] = hasCode(error, "OUTCOME_UNKNOWN") ? ((error.details?.["ids"] as string[] | undefined) ?? []) : [];
        if (id === undefined || tries >= repeatsMax) return;
        this.#world.count("requests repeated by id");
        this.#later((other) => this.#ask(other, { ...wish, options: { ...options, id } }, tries + 1));
      },
    );
  }

  /** The same request twice under one idempotencyKey: one job. */
  #askTwice(process: SimulatedProcess): void {
    const wish = this.#wish();
    const options = { ...wish.options, idempotencyKey: `once-${wish.input.r}` };
    this.#ask(process, { ...wish, options });
    this.#later((other) => this.#ask(other, { ...wish, options }));
  }

  #askMany(process: SimulatedProcess): void {
    const wishes = Array.from({ length: this.#world.random.between(2, 6) }, () => this.#wish());
    const items = wishes.map(({ task, input, options }) => ({ task, input, ...options }));
    this.#try(
      process,
      `enqueues ${items.length} jobs`,
      () => process.scheduler.enqueueMany(items),
      (all) => {
        for (const enqueued of all) this.#accepted(enqueued);
      },
    );
  }

  #accepted({ id, outcome }: Enqueued): void {
    const { oracle } = this.#world;
    this.#world.count("requests accepted");
    this.heard(id);
    if (!oracle.everStored.has(id)) this.#world.broken("J1", `${outcome} ${id} was never stored`);
  }

  #withJob(process: SimulatedProcess, what: string, act: (id: string) => Promise<unknown>): void {
    const id = this.#ids[this.#world.random.between(0, this.#ids.length)];
    if (id !== undefined) this.#try(process, `${what} ${this.#world.shortOf(id)}`, () => act(id));
  }

  #schedule(process: SimulatedProcess): void {
    const { random } = this.#world;
    const { schedules } = process.scheduler;
    const id = random.pick(["s1", "s2", "s3"]);
    const seconds = random.pick([1, 2, 3, 5, 10, 20, 60]);
    const definition: ScheduleOptions<Input> = {
      task: random.pick([quick, work, flaky, long, broken]),
      input: {},
      // A common anchor, so that the oracle can count the ticks.
      when: random.chance(0.8)
        ? every(seconds * 1_000, { anchor: new Date(0) })
        : cron(`*/${seconds % 60 || 1} * * * * *`),
      overlap: random.pick(["allow", "skip", "queue", "replace"]),
      catchUp: random.pick(["skip", "latest", "all"]),
      jitter: random.pick([0, 0, 700]),
    };
    const acts: readonly (() => Promise<unknown>)[] = [
      () => schedules.ensure(id, definition),
      () => schedules.ensure(id, definition),
      () => schedules.create(id, definition),
      () => schedules.update(id, { overlap: definition.overlap ?? "skip" }),
      () => schedules.disable(id, { cancelPending: random.chance(0.5) }),
      () => schedules.enable(id),
      () => schedules.remove(id, { cancelPending: random.chance(0.5) }),
    ];
    const which = random.between(0, acts.length - 1);
    const act = acts[which];
    const names = ["ensures", "ensures", "creates", "updates", "disables", "enables", "removes"];
    const about = which < 3 ? ` every ${seconds} s, ${definition.overlap}, ${definition.catchUp}` : "";
    if (act !== undefined) this.#try(process, `${names[which]} ${id}${about}`, act);
  }

  #trigger(process: SimulatedProcess): void {
    const { random } = this.#world;
    const id = random.pick(["s1", "s2", "s3"]);
    // A nominal tick that no rule here has and no other trigger names.
    const tick = new Date(this.#world.nextRequest() * 1_000 + 777);
    this.#try(
      process,
      `triggers ${id} for ${tick.getTime()}`,
      () => process.scheduler.schedules.trigger(id, { tick }),
      ({ outcome }) => {
        this.#world.count("triggers");
        if (outcome === "skipped") this.#skipped.add(tick.getTime());
      },
    );
  }

  /** Something through another process, a while from now. */
  #later(act: (process: SimulatedProcess) => void): void {
    const { timeline, random } = this.#world;
    this.open++;
    timeline.in(random.between(200, 6_000), () => {
      this.open--;
      const process = this.#world.anyRunning();
      if (process === undefined) this.#later(act);
      else act(process);
    });
  }

  #try<Answer>(
    process: SimulatedProcess,
    what: string,
    act: () => Promise<Answer>,
    onAnswer: (answer: Answer) => void = () => {},
    onError: (error: unknown) => void = () => {},
  ): void {
    const { name } = process;
    this.#world.trace(`${name} ${what}`);
    act().then(
      (answer) => {
        this.#world.trace(`${name} ${what}: done`);
        onAnswer(answer);
      },
      (error: unknown) => {
        this.#world.trace(`${name} ${what}: ${String(error)}`);
        if (!expected.some((code) => hasCode(error, code))) this.#world.broken("J1", `${what}: ${String(error)}`);
        onError(error);
      },
    );
  }
}
