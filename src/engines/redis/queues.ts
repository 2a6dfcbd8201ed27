// Queues in Redis: the contract's QueueStore. What a rate has counted is kept beside the records, and outlives their changes.
import { queueEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { QueueStore } from "../../core/engine.ts";
import type { NewEvent } from "../../core/events.ts";
import { changeQueue, type Queue, type QueueChange, type RateLimit } from "../../core/queue.ts";
import { has, isFlag, isNumber, maybe } from "../../core/shape.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import { eventParts } from "./event-rows.ts";
import { getQueues, putQueues } from "./scripts/queues.ts";
import type { Access } from "./store.ts";

export function queueStore(access: Access): QueueStore {
  return {
    put: (changes, actor) => putAll(access, changes, actor),
    list: () => list(access),
  };
}

async function putAll(access: Access, changes: readonly QueueChange[], actor: string | undefined): Promise<Queue[]> {
  const { client, history } = access;
  if (changes.length === 0) return [];
  const names = [...new Set(changes.map(({ name }) => name))];
  for (;;) {
    const answer = await client.run(getQueues, [access.testNow(), ...names]);
    const [now, texts] = answer as readonly [Millis, readonly (string | null)[]];
    const queues = new Map(names.map((name, index) => [name, readQueue(name, texts[index] ?? null)]));
    const { after, events } = changeAll(queues, changes, now, actor);
    const records = names.flatMap((name, index) => [name, texts[index] ?? "", JSON.stringify(queues.get(name))]);
    const parts = eventParts(events, history).flat();
    const args = [access.testNow(), history.eventAgeMsMax, names.length, ...records, ...parts];
    // Somebody has changed one of them since: the changes are made to what there is now.
    if ((await client.run(putQueues, args)) !== "moved") return after;
  }
}

function changeAll(
  queues: Map<string, Queue | undefined>,
  changes: readonly QueueChange[],
  now: Millis,
  actor: string | undefined,
) {
  const events: NewEvent[] = [];
  const after = changes.map((change) => {
    const before = queues.get(change.name);
    const changed = changeQueue(before, change);
    queues.set(change.name, changed);
    events.push(queueEvent(before, changed, defaults.tenant, now, actor));
    return changed;
  });
  return { after, events };
}

async function list({ client }: Access): Promise<Queue[]> {
  const [names, records] = (await client.read([
    ["ZRANGE", "queueNames", 0, -1],
    ["HGETALL", "queues"],
  ])) as unknown as readonly [readonly string[], readonly string[]];
  const queues = new Map<string, Queue>(names.map((name) => [name, { name, paused: false }]));
  for (let at = 0; at < records.length; at += 2) {
    const name = records[at] ?? "";
    const queue = readQueue(name, records[at + 1] ?? null);
    if (queue !== undefined) queues.set(name, queue);
  }
  return [...queues.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const isRate = has({ count: isNumber, periodMs: isNumber });
const looksLikeQueue = has({ paused: isFlag, concurrency: maybe(isNumber), rate: maybe(isRate) });

interface StoredQueue {
  readonly paused: boolean;
  readonly concurrency?: number;
  readonly rate?: RateLimit;
}

/** The record of a queue's text; undefined where there is none. */
export function readQueue(name: string, text: string | null): Queue | undefined {
  if (text === null) return undefined;
  const value = parsedJson(text);
  if (looksLikeQueue(value)) {
    const { paused, concurrency, rate } = value as StoredQueue;
    return { name, paused, concurrency, rate };
  }
  // A limit that cannot be read must neither be ignored nor stop other queues: this one stands still until it is set anew.
  return { name, paused: true, concurrency: undefined, rate: undefined };
}
