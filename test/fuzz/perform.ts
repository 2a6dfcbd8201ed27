// Makes a call on one engine and answers what came of it, as a value: what an engine throws is an answer too.
import type { Engine, FireRequest, PurgeAnswer } from "../../src/core/engine.ts";
import { isPunctualError } from "../../src/core/errors.ts";
import { decideFiring } from "../../src/core/firing.ts";
import type { ClaimedJob, LeaseRef } from "../../src/core/job.ts";
import type { Lease } from "../../src/core/lease.ts";
import { decideBackfill, decideTrigger } from "../../src/core/operations.ts";
import type { Schedule } from "../../src/core/schedule.ts";
import type { Decide } from "../../src/core/step.ts";
import type { Call, Decision } from "./call.ts";
import { observe } from "./observe.ts";
import { walk } from "./walk.ts";

type Op = Call["op"];
type CallOf<Name extends Op> = Extract<Call, { readonly op: Name }>;

/** An engine with what it has said of where its leases lie. */
export class Side {
  readonly engine: Engine;
  readonly #refs = new Map<string, LeaseRef>();

  constructor(engine: Engine) {
    this.engine = engine;
  }

  remember(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) if (job.ref !== undefined) this.#refs.set(nameOf(job), job.ref);
  }

  /** The lease as this engine's worker holds it. */
  own<Named extends { readonly lease: Lease }>(one: Named): Named {
    const ref = this.#refs.get(nameOf(one.lease));
    return ref === undefined ? one : { ...one, lease: { ...one.lease, ref } };
  }
}

function nameOf({ id, attempt, token }: Pick<Lease, "id" | "attempt" | "token">): string {
  return `${id}/${attempt}/${token}`;
}

const perform: { readonly [Name in Op]: (side: Side, call: CallOf<Name>) => Promise<unknown> } = {
  advance: async () => undefined,
  observe: ({ engine }) => observe(engine),
  "jobs.insert": ({ engine }, { inserts }) => engine.jobs.insert(inserts),
  "jobs.claim": async (side, { request }) => {
    const answer = await side.engine.jobs.claim(request);
    side.remember(answer.jobs);
    return answer;
  },
  "jobs.extend": (side, { extensions, leaseMs }) =>
    side.engine.jobs.extend(
      extensions.map((one) => side.own(one)),
      leaseMs,
    ),
  "jobs.settle": (side, { settlements }) => side.engine.jobs.settle(settlements.map((one) => side.own(one))),
  "jobs.change": ({ engine }, { changes, guardrails }) => engine.jobs.change(changes, guardrails),
  "jobs.purge": ({ engine }, { request }) => purgeAll((cursor) => engine.jobs.purge(withCursor(request, cursor))),
  "jobs.get": ({ engine }, { name }) => engine.jobs.get(name.id, name.tenant),
  "jobs.list": ({ engine }, { filter, sort, limit }) =>
    walk((cursor) => engine.jobs.list(filter, { limit, sort, ...cursor })),
  "jobs.stats": ({ engine }, { filter }) => engine.jobs.stats(filter),
  "schedules.put": ({ engine }, { puts, guardrails }) => engine.schedules.put(puts, guardrails),
  "schedules.remove": ({ engine }, { removals }) => engine.schedules.remove(removals),
  "schedules.fire": ({ engine }, { op: _, decision, ...request }) =>
    engine.schedules.fire({ ...request, decide: decideBy(decision) } satisfies FireRequest),
  "schedules.list": ({ engine }, { filter, limit }) =>
    walk((cursor) => engine.schedules.list(filter, { limit, ...cursor })),
  "queues.put": ({ engine }, { changes, actor }) => engine.queues.put(changes, actor),
  "tenants.put": ({ engine }, { changes, actor }) => engine.tenants.put(changes, actor),
  "tenants.list": ({ engine }, { filter, limit }) =>
    walk((cursor) => engine.tenants.list(filter, { limit, ...cursor })),
  "records.put": ({ engine }, { records }) => engine.records.put(records),
  "records.remove": ({ engine }, { keys }) => engine.records.remove(keys),
  "records.get": ({ engine }, { keys }) => engine.records.get(keys),
  "records.list": ({ engine }, { prefix, limit }) =>
    walk((cursor) => engine.records.list(prefix, { limit, ...cursor })),
  "events.append": ({ engine }, { events }) => engine.events.append(events),
  "events.list": ({ engine }, { filter, order, limit }) =>
    walk((cursor) => engine.events.list(filter, { limit, order, ...cursor })),
  "events.purge": ({ engine }, { request }) => purgeAll(() => engine.events.purge(request)),
  "inspection.standing": ({ engine }, { id, aheadMax }) => engine.inspection.standing(id, { aheadMax }),
};

/** What came of a call. Only refusals of the catalogue are answers: anything else that is thrown goes on. */
export async function answerOf<Name extends Op>(side: Side, call: CallOf<Name>): Promise<unknown> {
  try {
    const make: (side: Side, call: CallOf<Name>) => Promise<unknown> = perform[call.op];
    return await make(side, call);
  } catch (error) {
    if (!isPunctualError(error)) throw error;
    const { code, message, details } = error;
    return { threw: code, message, details };
  }
}

async function purgeAll(purge: (cursor: string | undefined) => Promise<PurgeAnswer>): Promise<{ deleted: number }> {
  let deleted = 0;
  for (let cursor: string | undefined, calls = 0; ; calls++) {
    if (calls > 2_000) throw new Error("a purge that does not end");
    const answer = await purge(cursor);
    deleted += answer.deleted;
    if (!answer.more) return { deleted };
    cursor = answer.next;
  }
}

function withCursor(
  request: CallOf<"jobs.purge">["request"],
  cursor: string | undefined,
): CallOf<"jobs.purge">["request"] {
  const { finished } = request;
  return finished === undefined || cursor === undefined ? request : { ...request, finished: { ...finished, cursor } };
}

function decideBy(decision: Decision): Decide {
  switch (decision.kind) {
    case "ticks":
      return decideFiring;
    case "trigger":
      return decideTrigger(decision.operation, decision.tick, decision.actor);
    case "backfill":
      return decideBackfill(decision.backfill);
    case "moved":
      return (due, now) => decideFiring(due, now).map((step) => ({ ...step, from: before(step.from, decision.part) }));
  }
}

/** A schedule as it was before the change that another has made. */
function before(schedule: Schedule, part: "cursor" | "revision" | "incarnation"): Schedule {
  const { cursor, revision } = schedule;
  switch (part) {
    case "cursor":
      return { ...schedule, cursor: { ...cursor, after: cursor.after - 1 } };
    case "revision":
      return { ...schedule, revision: revision - 1 };
    case "incarnation":
      return { ...schedule, incarnation: "0000000000000000" };
  }
}
