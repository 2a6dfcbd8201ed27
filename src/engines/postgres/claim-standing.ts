// What is left to be claimed of queues as they were seen, and when to come back.
import type { Millis } from "../../core/clock.ts";
import type { ClaimRequest } from "../../core/engine.ts";
import { allowance, earliest, type Look, type OpenQueue, rateLeft } from "./claim-look.ts";
import type { Session } from "./connections.ts";
import { giveUpAt } from "./held-places.ts";
import { type Standing, standingOf } from "./limited-lanes.ts";

/** A queue without limits in which something is ready. */
export const freeStanding: Standing = { claimable: true, slotWanted: false, heldBack: false, regainAt: undefined };

/** What is left to be claimed, and when. */
export interface Seen {
  readonly nextDueAt: Millis | undefined;
  readonly slotsWanted: boolean;
  /** What waits in the queues. */
  readonly standings: ReadonlyMap<string, Standing>;
  /** When a place may be given up for jobs that wait for it. */
  readonly giveUpAt: Millis | undefined;
}

/** What a look shows; where tenants have limits, beside what these leave. */
export async function seenFrom(session: Session, { open, limitAny, now }: Look, request: ClaimRequest): Promise<Seen> {
  const ready = open.filter((queue) => queue.ready > 0).map(({ name }) => name);
  if (limitAny && ready.length > 0) {
    const standings = await standingOf(session, ready, { now, starts: request.starts });
    return seenOf(session, open, standings, { request, now });
  }
  return seenOf(session, open, new Map(ready.map((name) => [name, freeStanding])), { request, now });
}

/** What is left of queues, as they stand. */
export async function seenOf(
  session: Session,
  open: readonly OpenQueue[],
  standings: ReadonlyMap<string, Standing>,
  { request: { starts, leaseMs }, now }: { readonly request: ClaimRequest; readonly now: Millis },
): Promise<Seen> {
  const waiting = open.map(({ name }) => name).filter((name) => standings.get(name)?.heldBack === true);
  const isWanted = starts > 0 && waiting.length > 0;
  const place = isWanted ? await giveUpAt(session, { queues: waiting, leaseMs, now }) : undefined;
  return {
    nextDueAt: earliest([...open.map((queue) => nextDue(queue, standings.get(queue.name), now)), place]),
    slotsWanted: [...standings.values()].some(({ slotWanted }) => slotWanted),
    standings,
    giveUpAt: place,
  };
}

/** When a queue next has something to claim. */
function nextDue(queue: OpenQueue, standing: Standing | undefined, now: Millis): Millis | undefined {
  const { leaseUntil, deferredUntil } = queue;
  const recoverAt = rateLeft(queue, now).regainAt ?? 0;
  const waits = [
    leaseUntil === undefined ? undefined : Math.max(leaseUntil, recoverAt),
    deferredUntil,
    standing?.regainAt,
  ];
  if (standing?.claimable !== true) return earliest(waits);
  const { limit, regainAt } = allowance(queue, now);
  return earliest([...waits, limit > 0 ? now : regainAt]);
}
