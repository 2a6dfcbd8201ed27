// Typed events of this process.

type Listener<T> = (event: T) => unknown;

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError told what a listener throws; it never reaches the loop that emits. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Adds a listener; the answer removes it. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  /** Whether anybody listens, for events that cost something to build. */
  wants(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        const returned: unknown = (listener as Listener<Events[Name]>)(event);
        if (returned instanceof Promise) returned.catch(this.#onError);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
