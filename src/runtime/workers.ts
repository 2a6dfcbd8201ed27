// The worker role of a process: one worker for the handlers that share its slots, and one for each set of slots of its own.
import { defaults } from "../core/defaults.ts";
import type { Handler, WorkerHost } from "./handler.ts";
import type { Registry } from "./registry.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

export interface WorkersOptions extends Omit<WorkerOptions, "registry"> {
  readonly registry: Registry;
  readonly stats: WorkerHost["stats"];
}

export class Workers {
  readonly #options: WorkersOptions;
  /** By the name of their slots. */
  readonly #workers = new Map<string | undefined, Worker>();
  /** What ends what the handlers' `onStart` began. */
  readonly #endings = new Map<NonNullable<Handler["onStart"]>, () => void>();
  /** Workers that stop because no handler is left in their slots. */
  readonly #leaving = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  /** @throws whatever a handler's `onStart` throws, and then nothing has started */
  start(): void {
    try {
      this.#tellHandlers();
    } catch (error) {
      this.#endAll();
      throw error;
    }
    this.#matchSlots();
  }

  /** Handlers were added or replaced. */
  refresh(): void {
    if (this.#stopped) return;
    try {
      this.#tellHandlers();
    } catch (error) {
      this.#options.emitter.emit("worker:error", { error, where: "handler" });
    }
    this.#matchSlots();
    this.wake(0);
  }

  /** Something may be due within so many milliseconds. */
  wake(inMs: number): void {
    for (const worker of this.#workers.values()) worker.wake(inMs);
  }

  /** The same, in one queue. */
  wakeFor(queue: string, inMs: number): void {
    for (const worker of this.#workers.values()) if (worker.serves(queue)) worker.wake(inMs);
  }

  /** A job is asked to stop; nothing happens when it is not here. */
  cancel(id: string): void {
    for (const worker of this.#workers.values()) worker.cancel(id);
  }

  /** J9, for each worker at once. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#leaving, ...[...this.#workers.values()].map((worker) => worker.stop(timeoutMs))]);
    this.#endAll();
  }

  #matchSlots(): void {
    const { registry, concurrency } = this.#options;
    const wanted = registry.slots();
    for (const [name, slots] of wanted) {
      if (this.#workers.has(name)) continue;
      const own = { ...this.#options, registry: registry.of(name), concurrency: slots?.count ?? concurrency };
      const worker = new Worker(own);
      this.#workers.set(name, worker);
      worker.start();
    }
    for (const [name, worker] of this.#workers) {
      if (wanted.has(name)) continue;
      this.#workers.delete(name);
      const left = worker.stop(defaults.drainMs).finally(() => this.#leaving.delete(left));
      this.#leaving.add(left);
    }
  }

  #tellHandlers(): void {
    const { registry, leaseMs, emitter, stats } = this.#options;
    const current = new Set(registry.all().flatMap(({ onStart }) => onStart ?? []));
    for (const [onStart, end] of this.#endings) {
      if (current.has(onStart)) continue;
      this.#endings.delete(onStart);
      this.#safely(end);
    }
    const report: WorkerHost["report"] = (error, where) => emitter.emit("worker:error", { error, where });
    for (const onStart of current) {
      if (!this.#endings.has(onStart)) this.#endings.set(onStart, onStart({ leaseMs, stats, report }));
    }
  }

  #endAll(): void {
    for (const end of this.#endings.values()) this.#safely(end);
    this.#endings.clear();
  }

  #safely(end: () => void): void {
    try {
      end();
    } catch (error) {
      this.#options.emitter.emit("worker:error", { error, where: "handler" });
    }
  }
}
