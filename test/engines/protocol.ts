// What a test process and the process of a remote engine say to each other, over Node's IPC with structured clones.
import type { Millis } from "../../src/core/clock.ts";
import type { FireRequest } from "../../src/core/engine.ts";
import { decideFiring } from "../../src/core/firing.ts";
import type { Backfill } from "../../src/core/operations.ts";
import type { Signal } from "../../src/core/signal.ts";
import type { Decide } from "../../src/core/step.ts";
import {
  backfillDecision,
  backfillOf,
  type TriggerParts,
  triggerDecision,
  triggerParts,
} from "../../src/testing/conformance/builders.ts";

/** One call of a contract method on the engine of a store; the test clock travels with it. */
export interface Call {
  readonly call: number;
  readonly store: string;
  readonly now: Millis;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Reply =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: { readonly message: string; readonly code: unknown } }
  | { readonly store: string; readonly signal: Signal };

/** A decision by its name: functions do not travel. */
export type NamedDecision =
  | { readonly decide: "firing" }
  | ({ readonly decide: "trigger" } & TriggerParts)
  | ({ readonly decide: "backfill" } & Backfill);

/** A fire request that can travel. */
export type NamedFire = Omit<FireRequest, "decide"> & { readonly decision: NamedDecision };

/** The name of a decision; undefined for one that a fact made itself. */
export function nameDecision(decide: Decide): NamedDecision | undefined {
  if (decide === decideFiring) return { decide: "firing" };
  const trigger = triggerParts(decide);
  if (trigger !== undefined) return { decide: "trigger", ...trigger };
  const backfill = backfillOf(decide);
  return backfill === undefined ? undefined : { decide: "backfill", ...backfill };
}

export function decisionOf(named: NamedDecision): Decide {
  switch (named.decide) {
    case "firing":
      return decideFiring;
    case "trigger":
      return triggerDecision(named.operation, named.tick);
    case "backfill":
      return backfillDecision(named);
  }
}
