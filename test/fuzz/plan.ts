// What a sequence is about, drawn from its seed: how many tenants, queues and keys there are, what the engine keeps, and
// how often each kind of call comes. Each plan leaves some kinds out, so that the others meet more often.

import type { Guardrails } from "../../src/core/guardrails.ts";
import type { Random } from "../simulation/random.ts";
import type { Terms } from "./side-by-side.ts";

/** Kinds of calls, with how often each comes beside the others. */
const kinds = {
  advance: 16,
  insert: 22,
  claim: 22,
  settle: 18,
  extend: 5,
  change: 9,
  purge: 2,
  putSchedule: 6,
  removeSchedule: 1,
  fire: 10,
  operate: 4,
  queue: 3,
  tenant: 3,
  record: 3,
  event: 2,
  read: 5,
} as const;

export type Kind = keyof typeof kinds;

/** Without these nothing happens. */
const always: ReadonlySet<Kind> = new Set<Kind>(["advance", "insert", "claim"]);

export interface Plan extends Terms {
  readonly seed: number;
  readonly tenants: readonly string[];
  readonly queues: readonly string[];
  readonly keys: readonly string[];
  readonly workers: readonly string[];
  readonly schedules: readonly string[];
  readonly keyShare: number;
  readonly leaseMs: number;
  /** Tenants have a concurrency and a rate. */
  readonly limitsTenants: boolean;
  /**
   * Every claim takes all that its queues may give. Tenants are limited and share queues: when the lane of one that was
   * held back enters the fair share again, at the first claim or at the first that comes to it, is the engine's (J12
   * bounds both). Or the engine does not serve lanes in memory's order at all.
   */
  readonly wide: boolean;
  readonly guardrails: Guardrails | undefined;
  /** Inputs that are not plain ASCII; a claim's bytes are then not counted. */
  readonly foreignTexts: boolean;
  readonly weights: ReadonlyMap<Kind, number>;
  readonly length: number;
}

export function planOf(seed: number, random: Random, sharesAlike: boolean): Plan {
  const trims = random.chance(0.15);
  // Not in the order of the alphabet, as lanes are in the order in which they are made.
  const tenants = ["mid", "acme", "zeta"].slice(0, random.pick([1, 1, 2, 2, 3]));
  const limitsTenants = random.chance(0.4);
  return {
    seed,
    history: {
      // The log of claims is in their order.
      ...(random.chance(0.3) && (sharesAlike || tenants.length === 1) ? { audit: "all" } : {}),
      ...(trims ? { retention: { completedCountMax: random.between(0, 2), endedCountMax: random.between(0, 2) } } : {}),
    },
    trims,
    tenants,
    limitsTenants,
    wide: (limitsTenants || !sharesAlike) && tenants.length > 1,
    queues: ["mail", "bulk", "a"].slice(0, random.pick([1, 1, 2, 3])),
    keys: ["k", "key-2", "other"].slice(0, random.between(1, 3)),
    workers: ["worker-1", "worker-2"].slice(0, random.between(1, 2)),
    schedules: ["report", "daily", "r"].slice(0, random.between(1, 3)),
    keyShare: random.pick([0, 0.2, 0.6, 0.9]),
    leaseMs: random.pick([5_000, 30_000]),
    guardrails: random.chance(0.25) ? drawGuardrails(random) : undefined,
    foreignTexts: random.chance(0.2),
    weights: drawWeights(random),
    length: random.between(20, 60),
  };
}

function drawGuardrails(random: Random): Guardrails {
  return {
    ...(random.chance(0.7) ? { maxPendingJobs: random.between(2, 6) } : {}),
    ...(random.chance(0.3) ? { maxHorizonMs: 30_000 } : {}),
    ...(random.chance(0.3) ? { payloadBytesMax: 40 } : {}),
    ...(random.chance(0.3) ? { maxActiveSchedules: random.between(1, 2) } : {}),
    ...(random.chance(0.2) ? { minIntervalMs: 60_000 } : {}),
  };
}

function drawWeights(random: Random): ReadonlyMap<Kind, number> {
  const drawn = (Object.keys(kinds) as Kind[]).map((kind): [Kind, number] => {
    const share = always.has(kind) || random.chance(0.65) ? random.pick([0.5, 1, 2]) : 0;
    return [kind, kinds[kind] * share];
  });
  return new Map(drawn);
}

/** The kind of the next call. */
export function drawKind({ weights }: Plan, random: Random): Kind {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  let left = random.next() * total;
  for (const [kind, weight] of weights) {
    left -= weight;
    if (left < 0) return kind;
  }
  return "advance";
}
