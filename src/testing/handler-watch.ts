// The kit's hand on handlers: knows which run, sleep or hang, and makes them fail, slow or die as a test asks.
import { AsyncLocalStorage } from "node:async_hooks";
import { InvalidInputError } from "../core/errors.ts";
import { checkJobId } from "../core/id.ts";
import type { Context, Handler, HandlerFunction } from "../runtime/handler.ts";
import type { InstantBound } from "./instant-bound.ts";
import { afterReal } from "./real-time.ts";

/** A handler that was called and has not returned. */
interface Running {
  readonly id: string;
  /** Makes the kit's side of it end: whatever the handler still does, its worker is no more. */
  readonly die: (error: Error) => void;
  /** When its sleeps on the test's clock end. */
  readonly sleeps: Set<number>;
  dead: boolean;
  /** It was given its real time and did not end: time moves on without it. */
  left: boolean;
  cancelPatience: (() => void) | undefined;
}

/** What is done to the next attempts of a task or a job before their handlers are called. */
export interface Interference {
  /** A task's name or a job's id. */
  readonly target: string;
  /** So many attempts pass first. */
  after: number;
  /** So many are met then. */
  times: number;
  meet(context: Context): Promise<void> | void;
}

export class HandlerWatch {
  readonly #patienceMs: number;
  readonly #bound: InstantBound;
  readonly #inside = new AsyncLocalStorage<Running>();
  readonly #running = new Set<Running>();
  readonly #errors = new Map<string, unknown>();
  readonly #tasks = new Set<string | undefined>();
  readonly #interferences: Interference[] = [];
  #abandoned = false;
  #isDead: (id: string, attempt: number) => boolean = () => false;
  readonly #waiting: (() => void)[] = [];

  /** @param patienceMs real time that a handler gets which neither returns nor sleeps on the test's clock */
  constructor(patienceMs: number, bound: InstantBound) {
    this.#patienceMs = patienceMs;
    this.#bound = bound;
  }

  /** The handler that the caller runs in. */
  get current(): object | undefined {
    return this.#inside.getStore();
  }

  /** What waits for handlers cannot be called by one. @throws InvalidInputError */
  refuseInside(verb: string): void {
    if (this.current === undefined) return;
    throw new InvalidInputError(`${verb} is for the test: a handler waits with clock.sleep`, {
      field: verb,
      mend: "Call it in the test, outside of every handler.",
    });
  }

  /** @throws AssertionError when handlers make work without end; not while the scheduler stops */
  checkBound(): void {
    if (!this.#abandoned) this.#bound.check();
  }

  /** Says which claims were made by a worker that has died since. */
  refuse(isDead: (id: string, attempt: number) => boolean): void {
    this.#isDead = isDead;
  }

  /** The same handler under watch. */
  wrap = (handler: Handler): Handler => {
    // What is no handler is for the scheduler to refuse.
    if (typeof handler?.run !== "function") return handler;
    this.#tasks.add(handler.task?.name);
    const run = handler.run as HandlerFunction<unknown>;
    const watched: HandlerFunction<unknown> = (input, context) => this.#call(() => run(input, context), context);
    return Object.freeze({ ...handler, run: watched as HandlerFunction<never> });
  };

  /** Whether a handler takes jobs of a task. */
  knows(task: string): boolean {
    return this.#tasks.has(task) || this.#tasks.has(undefined);
  }

  /** Whether there is a handler at all. */
  get hasHandlers(): boolean {
    return this.#tasks.size > 0;
  }

  /**
   * Adds something that befalls attempts; of several that fit, the one added first does.
   * @throws InvalidInputError when there can be no such attempt
   */
  interfere(interference: Interference): void {
    const { target } = interference;
    if (!this.knows(target) && !isJobId(target)) {
      const message = `target ${target} is no job's id, and no handler takes such a task; there are ${[...this.#tasks].join(", ") || "none"}`;
      throw new InvalidInputError(message, { field: "target", mend: "Name a task that has a handler, or a job's id." });
    }
    this.#interferences.push(interference);
  }

  /** What the last attempt of a job has thrown. */
  errorOf(id: string): unknown {
    return this.#errors.get(id);
  }

  /** Sleeps on the test's clock, and is known to. One whose worker has died does not wake. */
  async asleep(wakeAt: number, sleep: () => Promise<void>): Promise<void> {
    const running = this.#inside.getStore();
    running?.sleeps.add(wakeAt);
    this.#notify();
    try {
      await sleep();
    } finally {
      running?.sleeps.delete(wakeAt);
      if (running?.dead === true) await new Promise(() => {});
    }
  }

  /** When a job's handler wakes next; undefined when it does not sleep. */
  wakesAt(id: string): number | undefined {
    const sleeps = [...this.#running].filter((running) => running.id === id).flatMap(({ sleeps }) => [...sleeps]);
    return sleeps.length === 0 ? undefined : Math.min(...sleeps);
  }

  /** Whether nobody waits for handlers any more: the scheduler stops. */
  abandon(abandoned: boolean): void {
    this.#abandoned = abandoned;
    if (!abandoned) this.#bound.forget();
    this.#notify();
  }

  /** The worker dies: what runs here is heard of no more. */
  kill(): void {
    for (const running of this.#running) {
      running.dead = true;
      running.die(new Error("the worker has died"));
    }
  }

  /**
   * Gives handlers that wait for something real, such as a file or a database, real time to go on, each up to its
   * patience. Answers whether there was one.
   */
  async waited(): Promise<boolean> {
    const awake = [...this.#running].filter((one) => one.sleeps.size === 0 && !one.left && !one.dead);
    if (awake.length === 0 || this.#abandoned) return false;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      for (const one of awake) {
        one.cancelPatience ??= afterReal(this.#patienceMs, () => {
          one.left = true;
          this.#notify();
        });
      }
    });
    return true;
  }

  async #call(run: () => unknown, context: Context): Promise<unknown> {
    const { id } = context.job;
    const { attempt } = context;
    if (this.#isDead(id, attempt)) throw new Error("the worker has died");
    let die: (error: Error) => void = () => {};
    const death = new Promise<never>((_, reject) => {
      die = reject;
    });
    death.catch(() => {});
    const admitted = this.#bound.admits(context.job.task);
    const running: Running = { id, die, sleeps: new Set(), dead: false, left: !admitted, cancelPatience: undefined };
    this.#running.add(running);
    this.#errors.delete(id);
    try {
      const work = this.#inside.run(running, async () => {
        // Held back for good: so the store comes to rest with what is there.
        if (!admitted) return await new Promise(() => {});
        await this.#interferenceWith(context)?.meet(context);
        return await run();
      });
      return await Promise.race([work, death]);
    } catch (error) {
      this.#errors.set(id, error);
      throw error;
    } finally {
      running.cancelPatience?.();
      this.#running.delete(running);
      this.#notify();
    }
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #interferenceWith({ job }: Context): Interference | undefined {
    const fitting = this.#interferences.filter(({ target }) => target === job.task || target === job.id);
    // Every attempt counts for every one of them, whichever meets it.
    const ready = fitting.filter((interference) => interference.times > 0 && interference.after-- <= 0);
    const [first] = ready;
    if (first !== undefined) first.times--;
    return first;
  }
}

function isJobId(text: string): boolean {
  try {
    checkJobId(text);
    return true;
  } catch {
    return false;
  }
}
