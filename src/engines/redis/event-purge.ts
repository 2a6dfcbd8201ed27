// Deleting old events (N5): those past an age, and those that an operator names.
import { purgedEventsEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { EventPurge, PurgeAnswer } from "../../core/engine.ts";
import { type Entry, entriesOf, eventParts, noEvent, readEvent } from "./event-rows.ts";
import { purgeEvents as purgeScript, readOldestEvents } from "./scripts/events.ts";
import type { Access } from "./store.ts";

/** Events that one script reads, and that one deletes: it holds up every other call meanwhile. */
const readChunk = 500;
const deleteChunk = 250;

/** Events in the order of their ids are nearly in the order of their times: a purge by age looks no further beyond those it leaves. */
const passedByMax = 500;

/** One bounded round; where someone has asked for it, one step with the event that tells it. */
export async function purgeEvents(access: Access, request: EventPurge): Promise<PurgeAnswer> {
  if (request.named !== undefined) return purgeSome(access, request);
  let deleted = 0;
  for (let more = true; more; ) {
    const some = await purgeSome(access, { ...request, limit: request.limit - deleted });
    deleted += some.deleted;
    more = some.more;
    if (deleted >= request.limit) return { deleted, more };
  }
  return { deleted, more: false };
}

async function purgeSome(access: Access, request: EventPurge): Promise<PurgeAnswer> {
  const { client, history } = access;
  const { named } = request;
  for (;;) {
    const { doomed, more, before, now } = await findOld(access, request);
    if (doomed.length === 0) return { deleted: 0, more };
    const told = named === undefined ? [] : [purgedEventsEvent(before, doomed.length, now, named.actor)];
    const [event = noEvent] = eventParts(told, history);
    const deleted = await client.run(purgeScript, [access.testNow(), ...event, ...doomed.flatMap(namesOf)]);
    // Somebody else deletes the same: what is left of it is looked for anew.
    if (deleted !== "moved") return { deleted: Number(deleted), more };
  }
}

interface Old {
  readonly doomed: readonly Entry[];
  readonly more: boolean;
  readonly before: Millis;
  readonly now: Millis;
}

/** The first events that are to go, a script's chunk of them at most. */
async function findOld(access: Access, request: EventPurge): Promise<Old> {
  const { client, history } = access;
  const { named, olderThanMs = history.eventAgeMsMax } = request;
  const limit = Math.min(request.limit, deleteChunk);
  const doomed: Entry[] = [];
  let left = named === undefined ? passedByMax : Number.POSITIVE_INFINITY;
  for (let from = "-"; ; ) {
    const answer = (await client.run(readOldestEvents, [access.testNow(), from, readChunk])) as readonly [
      Millis,
      never,
    ];
    const [now, entries] = [answer[0], entriesOf(answer[1])];
    const before = named?.before ?? now - olderThanMs;
    for (const entry of entries) {
      // What cannot be read shows nowhere: it goes with the first purge.
      const isOld = (readEvent(entry)?.at ?? Number.NEGATIVE_INFINITY) < before;
      if (isOld && doomed.length === limit) return { doomed, more: true, before, now };
      if (isOld) doomed.push(entry);
      else left--;
    }
    if (entries.length < readChunk || left <= 0) return { doomed, more: false, before, now };
    from = `(${entries.at(-1)?.[0]}`;
  }
}

function namesOf(entry: Entry): [entry: string, tenant: string, schedule: string, job: string] {
  const { tenant = "", schedule = "", job = "" } = readEvent(entry) ?? {};
  return [entry[0], tenant, schedule, job];
}
