// A real engine whose calls can be made to fail, to lose their answer, to come late or never: the store itself stays real.
import type { Engine } from "../../src/core/engine.ts";
import { NotWrittenError, OutcomeUnknownError } from "../../src/core/errors.ts";

/** What happens instead of a call; `call` makes the real one. */
export type Fault = (call: () => Promise<unknown>) => Promise<unknown>;

/** The store is away: nothing is written. */
export const notWritten: Fault = () => Promise.reject(new NotWrittenError("the store is away"));

/** The store does what it is asked, and its answer is lost. */
export const lostAnswer: Fault = async (call) => {
  await call();
  throw new OutcomeUnknownError("the answer was lost");
};

/** The store never answers, and does nothing. */
export const hangs: Fault = () => new Promise(() => {});

/** The store does what it is asked; its answer waits for the gate. */
export function answersAfter(gate: Promise<unknown>): Fault {
  return async (call) => {
    const answer = await call();
    await gate;
    return answer;
  };
}

export type Method =
  | `${"jobs" | "schedules" | "queues" | "records" | "events"}.${string}`
  | "open"
  | "close"
  | "now"
  | "watch";

/** Wraps an engine; without faults it is that engine. */
export class Faulty<Tx> {
  readonly engine: Engine<Tx>;
  readonly #now: () => number;
  readonly #faults = new Map<Method, { readonly fault: Fault; times: number }>();
  readonly #calls: { readonly method: Method; readonly at: number }[] = [];
  #away: Fault | undefined;

  /** @param now what calls are stamped with */
  constructor(inner: Engine<Tx>, now: () => number) {
    this.#now = now;
    const { watch } = inner;
    this.engine = {
      ...inner,
      open: () => this.#call("open", () => inner.open()),
      close: () => this.#call("close", () => inner.close()),
      now: () => this.#call("now", () => inner.now()),
      jobs: this.#wrap("jobs", inner.jobs),
      schedules: this.#wrap("schedules", inner.schedules),
      queues: this.#wrap("queues", inner.queues),
      records: this.#wrap("records", inner.records),
      events: this.#wrap("events", inner.events),
      ...(watch === undefined ? {} : { watch: (onSignal) => this.#call("watch", () => watch(onSignal)) }),
    };
  }

  /** Makes the next `times` calls of a method (all, when absent) go through a fault. */
  on(method: Method, fault: Fault, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(method, { fault, times });
  }

  off(method: Method): void {
    this.#faults.delete(method);
  }

  /** Everything but open, close and watch goes through a fault until `back`. */
  away(fault: Fault = notWritten): void {
    this.#away = fault;
  }

  back(): void {
    this.#away = undefined;
  }

  /** When a method was called. */
  calls(method: Method): number[] {
    return this.#calls.filter((call) => call.method === method).map((call) => call.at);
  }

  #wrap<Store extends object>(name: "jobs" | "schedules" | "queues" | "records" | "events", store: Store): Store {
    return new Proxy(store, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== "function" || typeof property !== "string") return member;
        return (...parameters: readonly unknown[]) =>
          this.#call(`${name}.${property}`, () => member.apply(target, parameters) as Promise<unknown>);
      },
    });
  }

  #call<Answer>(method: Method, call: () => Promise<Answer>): Promise<Answer> {
    this.#calls.push({ method, at: this.#now() });
    return this.#faultOf(method)(call) as Promise<Answer>;
  }

  #faultOf(method: Method): Fault {
    const set = this.#faults.get(method);
    if (set !== undefined && set.times > 0) {
      set.times--;
      return set.fault;
    }
    const isStore = method.includes(".") || method === "now";
    return isStore && this.#away !== undefined ? this.#away : (call) => call();
  }
}
