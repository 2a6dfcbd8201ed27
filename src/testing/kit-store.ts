// The store of a test: a real engine whose calls fail, lose their answers or come from a dead worker when a test says so,
// and whose claims a test can hold back. What is looked at for assertions goes past all of that.
import type { ClaimAnswer, ClaimRequest, Engine, SettleAnswer } from "../core/engine.ts";
import { NotWrittenError, OutcomeUnknownError } from "../core/errors.ts";
import type { Lease } from "../core/lease.ts";
import type { Settlement } from "../core/settling.ts";
import type { Signal } from "../core/signal.ts";

/** Answers a claim in the store's stead. */
export type ClaimGate = (request: ClaimRequest, claim: Engine["jobs"]["claim"]) => Promise<ClaimAnswer>;

type Stores = Pick<Engine, "jobs" | "schedules" | "queues" | "tenants" | "records" | "events" | "now">;

const storeNames = ["jobs", "schedules", "queues", "tenants", "records", "events"] as const;

/** Calls that change nothing: their answer may be lost too, and they simply fail. */
const reads: ReadonlySet<string> = new Set(["get", "list", "stats", "now"]);

const nameOf = ({ id, attempt }: Pick<Lease, "id" | "attempt">) => `${id}#${attempt}`;

export class KitStore<Tx> {
  /** What the scheduler under test is given. */
  readonly engine: Engine<Tx>;
  /** The engine itself. */
  readonly inner: Engine<Tx>;
  readonly #now: () => number;
  readonly #held = new Set<string>();
  readonly #dead = new Set<string>();
  readonly #watchers = new Set<(signal: Signal) => void>();
  #downUntil = Number.NEGATIVE_INFINITY;
  #deafUntil = Number.NEGATIVE_INFINITY;
  #gate: ClaimGate | undefined;

  constructor(inner: Engine<Tx>, now: () => number) {
    this.inner = inner;
    this.#now = now;
    this.engine = {
      ...inner,
      ...this.#wrap(inner),
      watch: async (onSignal) => {
        this.#watchers.add(onSignal);
        const unwatch = await inner.watch?.(onSignal);
        return async () => {
          this.#watchers.delete(onSignal);
          await unwatch?.();
        };
      },
    };
    const { using } = inner;
    if (using !== undefined) {
      const bind = (tx: Tx) => {
        const bound = using.call(inner, tx);
        return { ...bound, ...this.#wrap(bound) };
      };
      Object.assign(this.engine, { using: bind });
    }
  }

  /** Until the clock shows this instant no call is answered, and nothing is written. */
  downUntil(at: number): void {
    this.#downUntil = at;
  }

  /** Until the clock shows this instant, changes are written and their answers are lost. */
  deafUntil(at: number): void {
    this.#deafUntil = at;
  }

  /** Claims go through the gate from now on. */
  guard(gate: ClaimGate): void {
    this.#gate = gate;
  }

  /** Makes the worker look for work. */
  wake(): void {
    for (const watcher of this.#watchers) watcher({ kind: "changed" });
  }

  /** Whoever holds claims now is never heard of again. */
  abandonClaims(): void {
    for (const name of this.#held) this.#dead.add(name);
    this.#held.clear();
  }

  isDead = (id: string, attempt: number): boolean => this.#dead.has(nameOf({ id: id as Lease["id"], attempt }));

  #wrap(inner: Stores): Stores {
    const own: Partial<Record<keyof Stores, object>> = { jobs: this.#jobsOf(inner.jobs) };
    const wrapped = storeNames.map((name) => [name, this.#failing(own[name] ?? inner[name])] as const);
    const now = () => this.#call("now", () => inner.now());
    return { ...(Object.fromEntries(wrapped) as unknown as Stores), now };
  }

  #failing<Store extends object>(store: Store): Store {
    return new Proxy(store, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== "function" || typeof property !== "string") return member;
        return (...parameters: readonly unknown[]) =>
          this.#call(property, () => member.apply(target, parameters) as Promise<unknown>);
      },
    });
  }

  async #call<Answer>(method: string, call: () => Promise<Answer>): Promise<Answer> {
    if (this.#now() < this.#downUntil) throw new NotWrittenError("the test has taken the store down");
    const answer = await call();
    if (this.#now() < this.#deafUntil && !reads.has(method)) {
      throw new OutcomeUnknownError("the test has dropped the store's answer");
    }
    return answer;
  }

  #jobsOf(jobs: Engine["jobs"]): Engine["jobs"] {
    const bound = bindAll(jobs);
    return {
      ...bound,
      claim: async (request) => {
        const answer = await (this.#gate === undefined ? bound.claim(request) : this.#gate(request, bound.claim));
        for (const job of answer.jobs) this.#held.add(nameOf(job));
        return answer;
      },
      extend: (extensions, leaseMs) =>
        this.#unlessDead(
          extensions,
          ({ lease }) => lease,
          "lost" as const,
          (living) => bound.extend(living, leaseMs),
        ),
      settle: (settlements) =>
        this.#unlessDead<Settlement, SettleAnswer>(
          settlements,
          ({ lease }) => lease,
          { outcome: "lost" },
          async (living) => {
            const answers = await bound.settle(living);
            for (const { lease } of living) this.#held.delete(nameOf(lease));
            return answers;
          },
        ),
    };
  }

  /** Does for the living, in order; the dead are answered as those who lost their lease are. */
  async #unlessDead<Item, Answer>(
    items: readonly Item[],
    leaseOf: (item: Item) => Lease,
    lost: Answer,
    call: (living: readonly Item[]) => Promise<Answer[]>,
  ): Promise<Answer[]> {
    const isDead = (item: Item) => this.#dead.has(nameOf(leaseOf(item)));
    const living = items.filter((item) => !isDead(item));
    const answers = living.length === 0 ? [] : await call(living);
    let next = 0;
    return items.map((item) => (isDead(item) ? lost : (answers[next++] ?? lost)));
  }
}

/** The methods of a store, whatever kind of object it is, free of it. */
function bindAll(jobs: Engine["jobs"]): Engine["jobs"] {
  return {
    insert: (inserts) => jobs.insert(inserts),
    claim: (request) => jobs.claim(request),
    extend: (extensions, leaseMs) => jobs.extend(extensions, leaseMs),
    settle: (settlements) => jobs.settle(settlements),
    change: (changes) => jobs.change(changes),
    get: (id, tenant) => jobs.get(id, tenant),
    list: (filter, page) => jobs.list(filter, page),
    stats: (filter) => jobs.stats(filter),
    purge: (request) => jobs.purge(request),
  };
}
