// Plays a sequence on the memory engine, which is the specification, and on another, on one clock, and stops at the
// first answer that differs.
import type { Engine } from "../../src/core/engine.ts";
import type { HistoryOptions } from "../../src/core/history.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import type { Call } from "./call.ts";
import { differences } from "./difference.ts";
import { comparable } from "./freedom.ts";
import { answerOf, Side } from "./perform.ts";

/** The engine that is held against memory. */
export interface Subject {
  /** An engine over a fresh store of its own; opened and closed by who asks. */
  readonly make: (options: HistoryOptions & { readonly clock: TestClock }) => Engine | Promise<Engine>;
  /** Lanes are served in memory's very order, not only within J12's bound. */
  readonly sharesAlike: boolean;
}

/** What both engines are opened with. */
export interface Terms {
  readonly history: HistoryOptions;
  /** So few finished jobs are kept that retention is at work: it is asked to finish after every call. */
  readonly trims: boolean;
}

/** The two engines, and what they do side by side. */
export class Pair {
  readonly clock: TestClock;
  readonly model: Engine;
  readonly #model: Side;
  readonly #subject: Side;
  readonly #trims: boolean;
  readonly #sharesAlike: boolean;

  private constructor(
    clock: TestClock,
    model: Engine,
    subject: Engine,
    { trims, sharesAlike }: Pick<Terms & Subject, "trims" | "sharesAlike">,
  ) {
    this.#trims = trims;
    this.#sharesAlike = sharesAlike;
    this.clock = clock;
    this.model = model;
    this.#model = new Side(model);
    this.#subject = new Side(subject);
  }

  static async open({ make, sharesAlike }: Subject, { history, trims }: Terms): Promise<Pair> {
    const clock = new TestClock();
    const subject = await make({ clock, ...history });
    await subject.open();
    return new Pair(clock, memory({ clock, ...history }), subject, { trims, sharesAlike });
  }

  /** Makes a call on both; `differs` says where they part, empty when they do not. */
  async play(call: Call): Promise<{ readonly answer: unknown; readonly differs: readonly string[] }> {
    if (call.op === "advance") this.clock.advance(call.ms);
    const answer = await answerOf(this.#model, call);
    const other = await answerOf(this.#subject, call).catch((error: unknown) => ({ failed: String(error) }));
    if (isFailure(other)) return { answer, differs: [other.failed] };
    if (this.#trims) for (const side of [this.#model, this.#subject]) await answerOf(side, trim);
    return {
      answer,
      differs: differences(
        ...comparable(call, answer, other, { now: this.clock.now(), sharesAlike: this.#sharesAlike }),
      ),
    };
  }

  async close(): Promise<void> {
    await this.#subject.engine.close();
  }
}

function isFailure(answer: unknown): answer is { readonly failed: string } {
  return typeof answer === "object" && answer !== null && "failed" in answer && typeof answer.failed === "string";
}

const trim = { op: "jobs.purge", request: { limit: 1_000 } } as const;

/** Where a sequence's answers part. */
export interface Parting {
  /** The call whose answers differ, counted from 0. */
  readonly at: number;
  readonly differs: readonly string[];
}

/** Plays calls that are known beforehand. */
export async function replay(subject: Subject, terms: Terms, calls: readonly Call[]): Promise<Parting | undefined> {
  const pair = await Pair.open(subject, terms);
  try {
    for (const [at, call] of calls.entries()) {
      const { differs } = await pair.play(call);
      if (differs.length > 0) return { at, differs };
    }
    return undefined;
  } finally {
    await pair.close();
  }
}
