// The way between one process and the store: calls take time, fail, take effect and lose their answer, or take effect
// long after the process was told that nobody knows. What has been sent is the store's, whatever becomes of the process.
import type { ClaimRequest, Engine, FireAnswer, FireRequest, Unwatch } from "../../src/core/engine.ts";
import { NotWrittenError, OutcomeUnknownError } from "../../src/core/errors.ts";
import { canonicalJson } from "../../src/core/payload.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Signal } from "../../src/core/signal.ts";
import type { FireStep } from "../../src/core/step.ts";
import type { Cancel } from "../../src/runtime/clock.ts";
import type { Random } from "./random.ts";
import type { PromiseId } from "./scene.ts";
import type { Changes, SimulatedStore } from "./store.ts";
import type { ProcessClock, Timeline } from "./timeline.ts";

const stores = ["jobs", "schedules", "queues", "records", "events"] as const;

/** Calls that write nothing: their answer may be lost, but then nothing is unknown. */
const reads: ReadonlySet<string> = new Set([
  "now",
  "jobs.get",
  "jobs.list",
  "jobs.stats",
  "schedules.get",
  "schedules.list",
  "queues.list",
]);

function isKnown(fate: Fate): boolean {
  return fate === "answered" || fate === "not-written";
}

/** A call that takes longer is slow: its process is not to blame for what follows. */
const slowMs = 100;

/** A call as it took effect. */
export interface Call {
  readonly process: string;
  readonly method: string;
  readonly parameters: readonly unknown[];
}

/** What becomes of a call. */
type Fate = "answered" | "not-written" | "answer-lost" | "call-lost" | "late";

/** How troubled a wire is: shares of its calls. */
export interface Trouble {
  readonly failing: number;
  readonly slow: number;
  /** Calls that are slow take up to so long, each way, in ms. */
  readonly slowMsMax: number;
}

export interface WireOptions {
  readonly process: string;
  readonly timeline: Timeline;
  readonly clock: ProcessClock;
  readonly store: SimulatedStore;
  readonly random: Random;
  readonly trouble: () => Trouble;
  /** A call has taken effect: what it answered, and what it changed. */
  readonly onApplied: (call: Call, answer: unknown, changes: Changes) => void;
  /** Something other than a quick answer befalls a call; it lasts so long, in ms. */
  readonly onTrouble: (method: string, fate: Fate | "slow" | "overtaken", ms: number) => void;
  /** The process was given an answer. */
  readonly onAnswered: (method: string, fate: Fate) => void;
  readonly broken: (promise: PromiseId, how: string) => void;
  readonly onBug: (error: unknown, method: string) => void;
}

export class Wire {
  readonly engine: Engine;
  readonly #options: WireOptions;
  readonly #inFlight = new Set<Cancel>();
  readonly #unwatchers = new Set<() => void>();
  /** The claim that nobody knows the outcome of. */
  #unknownClaim: string | undefined;
  /** The store cannot be reached until then, in ms since the world began. */
  #outUntilMs = 0;

  constructor(options: WireOptions) {
    this.#options = options;
    const through = (name: (typeof stores)[number]) =>
      new Proxy(options.store.engine[name], {
        get: (_, member) => (parameters: unknown, more?: unknown) =>
          this.#call(`${name}.${String(member)}`, more === undefined ? [parameters] : [parameters, more]),
      });
    this.engine = {
      ...options.store.engine,
      open: async () => {},
      close: async () => {},
      now: () => this.#call("now", []) as Promise<number>,
      jobs: through("jobs") as Engine["jobs"],
      schedules: through("schedules") as Engine["schedules"],
      queues: through("queues") as Engine["queues"],
      records: through("records") as Engine["records"],
      events: through("events") as Engine["events"],
      watch: async (onSignal) => this.#watch(onSignal),
    };
  }

  /** Nothing gets through for so long. */
  cut(ms: number): void {
    this.#outUntilMs = this.#options.timeline.elapsedMs + ms;
  }

  /** The process has died: half of what it had sent never arrives, and it hears nothing more. */
  abandon(): void {
    for (const cancel of this.#inFlight) if (this.#options.random.chance(0.5)) cancel();
    for (const unwatch of this.#unwatchers) unwatch();
  }

  #watch(onSignal: (signal: Signal) => void): Unwatch {
    const { store, timeline, clock, random } = this.#options;
    const watcher = (signal: Signal) => {
      // Signals are hints: some are lost.
      if (!random.chance(this.#options.trouble().failing))
        timeline.in(random.between(0, 2), () => onSignal(signal), clock);
    };
    store.watchers.add(watcher);
    const unwatch = () => void store.watchers.delete(watcher);
    this.#unwatchers.add(unwatch);
    return async () => unwatch();
  }

  #fateOf(method: string): Fate {
    const { random, timeline } = this.#options;
    const { failing } = this.#options.trouble();
    if (timeline.elapsedMs < this.#outUntilMs)
      return random.chance(0.5) || reads.has(method) ? "not-written" : "call-lost";
    if (!random.chance(failing)) return "answered";
    if (reads.has(method)) return "not-written";
    return random.pick(["not-written", "answer-lost", "answer-lost", "call-lost", "late"]);
  }

  #delayMs(): number {
    const { random } = this.#options;
    const { slow, slowMsMax } = this.#options.trouble();
    return random.chance(slow) ? random.between(1, slowMsMax) : random.between(0, 2);
  }

  #call(method: string, parameters: readonly unknown[]): Promise<unknown> {
    const { timeline, clock, onTrouble, onAnswered } = this.#options;
    if (method === "jobs.claim") this.#checkClaimedAgain(parameters[0] as ClaimRequest);
    const fate = this.#fateOf(method);
    const thereMs = this.#delayMs();
    const backMs = this.#delayMs();
    const lateMs = fate === "late" ? 2 * backMs + this.#options.random.between(1, 3_000) : 0;
    if (fate !== "answered") onTrouble(method, fate, thereMs + backMs + lateMs);
    else if (thereMs + backMs > slowMs) onTrouble(method, "slow", thereMs + backMs);
    return new Promise((resolve, reject) => {
      const hear = (ms: number, tell: () => void) =>
        timeline.in(
          ms,
          () => {
            if (method === "jobs.claim" && !isKnown(fate)) this.#unknownClaim = (parameters[0] as ClaimRequest).claimId;
            onAnswered(method, fate);
            tell();
          },
          clock,
        );
      const unknown = () => reject(new OutcomeUnknownError(`the answer of ${method} was lost`));
      switch (fate) {
        case "not-written":
          hear(thereMs + backMs, () => reject(new NotWrittenError("the store is away")));
          break;
        case "call-lost":
          hear(thereMs + backMs, unknown);
          break;
        case "late":
          hear(thereMs + backMs, unknown);
          this.#send(thereMs + lateMs, method, parameters, () => {});
          break;
        case "answer-lost":
          this.#send(thereMs, method, parameters, () => hear(backMs, unknown));
          break;
        case "answered":
          this.#send(thereMs, method, parameters, (answer) => hear(backMs, () => resolve(answer)));
      }
    });
  }

  /** J15: a worker makes a claim whose answer was lost again, before any other. */
  #checkClaimedAgain({ claimId, repeat }: ClaimRequest): void {
    const { broken, process } = this.#options;
    const expected = this.#unknownClaim;
    this.#unknownClaim = undefined;
    if (expected !== undefined && (claimId !== expected || repeat !== true)) {
      broken("J15", `${process} does not make the claim again whose answer was lost`);
    }
  }

  #send(ms: number, method: string, parameters: readonly unknown[], onAnswer: (answer: unknown) => void): void {
    const { timeline, onBug } = this.#options;
    const cancel = timeline.in(ms, async () => {
      this.#inFlight.delete(cancel);
      try {
        const apart = method === "schedules.fire" && this.#options.random.chance(this.#options.trouble().slow);
        if (apart) await this.#fireApart(parameters[0] as FireRequest, onAnswer);
        else onAnswer(await this.#apply(method, parameters));
      } catch (error) {
        onBug(error, method);
      }
    });
    this.#inFlight.add(cancel);
  }

  async #apply(method: string, parameters: readonly unknown[]): Promise<unknown> {
    const { store, process, onApplied } = this.#options;
    const [name, member] = method.split(".") as [(typeof stores)[number] | "now", string | undefined];
    const { engine } = store;
    const target = (name === "now" ? engine : engine[name]) as unknown as Record<
      string,
      (...all: unknown[]) => unknown
    >;
    const answer = await target[member ?? name]?.apply(target, [...parameters]);
    onApplied({ process, method, parameters }, answer, await store.changes());
    return answer;
  }

  /**
   * Fires as a store does that cannot serialise reads and writes: the steps were decided upon a while before they are
   * written. Such a store compares a version of all but the cursor, here; the cursor is left to the engine (S2).
   */
  async #fireApart(request: FireRequest, onAnswer: (answer: unknown) => void): Promise<void> {
    const { timeline, random, store, onBug } = this.#options;
    let steps: readonly FireStep[] = [];
    const decide: FireRequest["decide"] = (due, now) => {
      steps = request.decide(due, now);
      return [];
    };
    const looked = (await this.#apply("schedules.fire", [{ ...request, decide }])) as FireAnswer;
    if (steps.length === 0) {
      onAnswer(looked);
      return;
    }
    timeline.in(random.between(1, 1_000), async () => {
      try {
        const kept: FireStep[] = [];
        for (const step of steps) {
          const stored = await store.engine.schedules.get(step.from);
          if (stored !== undefined && isApplicable(step.from, stored)) kept.push(step);
        }
        const only = kept.map(({ from: { tenant, id } }) => ({ tenant, id }));
        const write: FireRequest = { limit: request.limit, only, decide: () => kept };
        const answer = (await this.#apply("schedules.fire", [write])) as FireAnswer;
        if (answer.fired.length < steps.length) this.#options.onTrouble("schedules.fire", "overtaken", 0);
        onAnswer(answer);
      } catch (error) {
        onBug(error, "schedules.fire");
      }
    });
  }
}

/** Whether nothing but the cursor has moved since, or the cursor has: then the engine must refuse the step itself. */
function isApplicable(from: Schedule, stored: Schedule): boolean {
  return stored.cursor.after !== from.cursor.after || canonicalJson(stored) === canonicalJson(from);
}
