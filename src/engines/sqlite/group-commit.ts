// Writes that are called in one turn of the event loop commit together: a worker's settlements and its next claim cost
// one commit instead of two. Each keeps its own answer and its own error.
import { setImmediate } from "node:timers/promises";

/** Writes in one commit, at most: the event loop stands still meanwhile. */
const groupMax = 16;

interface Waiting<Step> {
  readonly step: Step;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The error of one write among several, which the others have no part in. */
export class StepFailed extends Error {}

export class GroupCommit<Step> {
  readonly #commit: (steps: readonly Step[]) => Promise<readonly unknown[]>;
  #waiting: Waiting<Step>[] = [];
  #planned = false;

  /** @param commit runs steps as one transaction; throws StepFailed, nothing written, when one of several has thrown. */
  constructor(commit: (steps: readonly Step[]) => Promise<readonly unknown[]>) {
    this.#commit = commit;
  }

  /** Answers what the step answered, once its group is committed. */
  add(step: Step): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ step, resolve, reject });
      if (this.#planned) return;
      this.#planned = true;
      // After all that this turn's promises lead to.
      process.nextTick(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    this.#planned = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += groupMax) {
      if (from > 0) await setImmediate();
      await this.#write(waiting.slice(from, from + groupMax));
    }
  }

  async #write(group: readonly Waiting<Step>[]): Promise<void> {
    try {
      const answers = await this.#commit(group.map(({ step }) => step));
      for (const [index, { resolve }] of group.entries()) resolve(answers[index]);
    } catch (error) {
      if (error instanceof StepFailed) {
        for (const one of group) await this.#write([one]);
        return;
      }
      for (const { reject } of group) reject(error);
    }
  }
}
