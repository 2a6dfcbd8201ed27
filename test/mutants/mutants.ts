// Deliberate faults. Each breaks one promise in one place; a test that guards the promise must turn red.

export interface Mutant {
  readonly name: string;
  /** The promise that the fault breaks, by its id or in a sentence. */
  readonly promise: string;
  /** The file to change, relative to the project's root. */
  readonly file: string;
  /** Exact text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test folders or files to run, relative to the project's root. */
  readonly tests: readonly string[];
  /** Part of the full name of the tests that must notice; without it any test of `tests` may. */
  readonly expect?: string;
}

export const mutants: readonly Mutant[] = [];
