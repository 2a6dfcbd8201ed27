// The handlers of a process, one per task name, and which of them run in slots of their own: a queue belongs to one set of
// slots, so that a claim for some slots never takes what must run in others.
import { InvalidInputError } from "../core/errors.ts";
import type { Task } from "../core/task.ts";
import type { Handler, Slots } from "./handler.ts";

/** The handlers of one worker. */
export interface HandlerSet {
  /** Whether jobs of any name can be run. */
  readonly takesAny: boolean;
  /** The queues its tasks are in. */
  queues(): readonly string[];
  /** Whether a queue is this set's to look at, and not another's. */
  owns(queue: string): boolean;
  find(task: string): Handler | undefined;
}

export class Registry {
  #byName: ReadonlyMap<string, Handler> = new Map();
  #any: Handler | undefined;
  /** Which set of slots has a queue, by the queue's name. */
  #owners: ReadonlyMap<string, Slots | undefined> = new Map();

  /** The last one for a task wins. @throws InvalidInputError when two sets of slots would have one queue */
  add(handlers: readonly Handler[]): void {
    const byName = new Map(this.#byName);
    let any = this.#any;
    for (const handler of handlers) {
      if (handler.task === undefined) any = handler;
      else byName.set(handler.task.name, handler);
    }
    this.#owners = ownersOf([...byName.values()], any);
    this.#byName = byName;
    this.#any = any;
  }

  get size(): number {
    return this.#byName.size + (this.#any === undefined ? 0 : 1);
  }

  find(task: string): Handler | undefined {
    return this.#byName.get(task) ?? this.#any;
  }

  /** The task itself, when this process knows it. */
  task(name: string): Task | undefined {
    return this.#byName.get(name)?.task;
  }

  all(): readonly Handler[] {
    return [...this.#byName.values(), ...(this.#any === undefined ? [] : [this.#any])];
  }

  /** The sets of slots that handlers run in, by name; `undefined` are the worker's own. */
  slots(): ReadonlyMap<string | undefined, Slots | undefined> {
    return new Map(this.all().map(({ slots }) => [slots?.name, slots]));
  }

  /** What the worker of a set of slots runs, as it is at any time; `undefined` are the worker's own slots. */
  of(name: string | undefined): HandlerSet {
    // Which a queue without tasks falls to: whoever takes jobs of any task.
    const ownerOf = (queue: string) =>
      this.#owners.has(queue) ? this.#owners.get(queue)?.name : this.#any?.slots?.name;
    const takesAny = () => this.#any !== undefined && this.#any.slots?.name === name;
    return {
      get takesAny() {
        return takesAny();
      },
      queues: () => [...this.#owners.keys()].filter((queue) => ownerOf(queue) === name),
      owns: (queue) => ownerOf(queue) === name,
      find: (task) => this.find(task),
    };
  }
}

function ownersOf(named: readonly Handler[], any: Handler | undefined): Map<string, Slots | undefined> {
  const counts = new Map<string, number>();
  for (const { slots } of [...named, ...(any === undefined ? [] : [any])]) {
    if (slots === undefined) continue;
    const count = counts.get(slots.name);
    if (count !== undefined && count !== slots.count) {
      throw new InvalidInputError(`slots "${slots.name}" are given ${count} and ${slots.count} times`, {
        field: "slots.count",
      });
    }
    counts.set(slots.name, slots.count);
  }
  const owners = new Map<string, { readonly task: string; readonly slots: Slots | undefined }>();
  for (const { task, slots, policy } of named) {
    if (task === undefined) continue;
    const { queue } = policy;
    const owner = owners.get(queue);
    if (owner === undefined) owners.set(queue, { task: task.name, slots });
    else if (owner.slots?.name !== slots?.name) {
      throw new InvalidInputError(
        `tasks "${owner.task}" and "${task.name}" run in different slots, so they cannot share the queue "${queue}": give one of them another queue`,
        { field: "slots" },
      );
    }
  }
  return new Map([...owners].map(([queue, { slots }]) => [queue, slots]));
}
