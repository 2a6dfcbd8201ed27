// How an engine undoes an insert that may not be: thrown inside its step, answered as a value.
import type { InsertAnswer } from "./engine.ts";
import type { LimitHit } from "./guardrails.ts";
import type { JobId } from "./id.ts";

type Refused =
  | { readonly outcome: "key-in-use"; readonly id: JobId }
  | { readonly outcome: "idempotency-mismatch" }
  | ({ readonly outcome: "limit" } & LimitHit);

/** Thrown inside an insert to undo it; it never leaves an engine. */
export class Refusal extends Error {
  readonly #refused: Refused;

  constructor(refused: Refused) {
    super(refused.outcome);
    this.#refused = refused;
  }

  /** The answer to an insert whose job at `index` was refused. */
  answer(index: number): InsertAnswer {
    return this.#refused.outcome === "limit" ? this.#refused : { ...this.#refused, index };
  }
}
