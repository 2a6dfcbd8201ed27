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
  readonly #waiting: Waiting<Step>[] = [];
  #running: Promise<void> | undefined;

  /** @param commit runs steps as one transaction; throws StepFailed, nothing written, when one of several has thrown. */
  constructor(commit: (steps: readonly Step[]) => Promise<readonly unknown[]>) {
    this.#commit = commit;
  }

  /** Answers what the step answered, once its group is committed. Steps take effect in the order of their calls. */
  add(step: Step): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ step, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when all that was added so far has been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // After all that this turn's promises lead to; after a full group, others have their turn first.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      const group = this.#waiting.splice(0, groupMax);
      await this.#write(group);
      if (group.length === groupMax) await setImmediate();
    }
    this.#running = undefined;
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
