// A sequence made up as it is played: each call follows from the seed and from what the specification has answered.
import { Random } from "../simulation/random.ts";
import type { Call } from "./call.ts";
import { changeCall, claimCall, extendCall, insertCall, lookCall, purgeCall } from "./job-calls.ts";
import { drawKind, type Kind, type Plan, planOf } from "./plan.ts";
import { readCall } from "./read-calls.ts";
import { Scene } from "./scene.ts";
import { fireCall, operateCall, putCall, removeCall } from "./schedule-calls.ts";
import { eventCall, queueCall, recordCall, tenantCall } from "./setting-calls.ts";
import { settleCall } from "./settle-calls.ts";
import { Pair, type Parting, type Subject } from "./side-by-side.ts";

/** What makes a call of each kind; undefined where there is nothing to make it of. */
const makers: { readonly [Name in Kind]: (scene: Scene) => Promise<Call | undefined> | Call | undefined } = {
  advance: (scene) => ({ op: "advance", ms: advanceMs(scene) }),
  insert: insertCall,
  claim: claimCall,
  settle: settleCall,
  extend: extendCall,
  change: changeCall,
  purge: purgeCall,
  putSchedule: putCall,
  removeSchedule: removeCall,
  fire: fireCall,
  operate: operateCall,
  queue: queueCall,
  tenant: tenantCall,
  record: recordCall,
  event: eventCall,
  read: readCall,
};

/** Small steps, steps over the end of a lease, and once in a while hours or a day. */
function advanceMs({ random, plan }: Scene): number {
  const { leaseMs } = plan;
  const exact = random.pick([1, 100, 1_000, 1_000, 5_000, 10_000, leaseMs, leaseMs + 1, 2 * leaseMs]);
  if (random.chance(0.6)) return exact;
  return random.chance(0.85) ? random.between(1, 61_000) : random.pick([600_000, 3_600_000, 7_200_000, 86_400_000]);
}

/** How a sequence went. */
export interface Played {
  readonly plan: Plan;
  readonly calls: readonly Call[];
  /** The calls' answers by the specification, as many. */
  readonly answers: readonly unknown[];
  readonly parting: Parting | undefined;
}

/** Between two looks at everything, this many calls. */
const observeEvery = 12;

export async function play(seed: number, subject: Subject): Promise<Played> {
  const random = new Random(seed);
  const plan = planOf(seed, random, subject.sharesAlike);
  const pair = await Pair.open(subject, plan);
  const scene = new Scene(plan, random, pair.clock, pair.model);
  const calls: Call[] = [];
  const answers: unknown[] = [];
  const parted = async (call: Call): Promise<Parting | undefined> => {
    calls.push(call);
    const { answer, differs } = await pair.play(call);
    answers.push(answer);
    scene.learn(call, answer);
    return differs.length > 0 ? { at: calls.length - 1, differs } : undefined;
  };
  try {
    for await (const call of callsOf(scene)) {
      const parting = await parted(call);
      if (parting !== undefined) return { plan, calls, answers, parting };
    }
    return { plan, calls, answers, parting: undefined };
  } finally {
    await pair.close();
  }
}

async function* callsOf(scene: Scene): AsyncGenerator<Call> {
  const { plan, random } = scene;
  for (let made = 1; made <= plan.length; made++) {
    const call = await makers[drawKind(plan, random)](scene);
    if (call === undefined) continue;
    yield call;
    if (made % observeEvery === 0) yield { op: "observe", shares: false };
  }
  // Where every claim takes all, nothing is left that has a place.
  if (!plan.wide) yield lookCall(scene);
  yield { op: "observe", shares: !plan.wide };
}
