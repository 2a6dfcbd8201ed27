// Deleting the finished jobs that an operator names: queue by queue in the order of their ends.
import { purgedJobsEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { FinishedPurge, PurgeAnswer } from "../../core/engine.ts";
import type { FinishedState } from "../../core/job.ts";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
import type { Client, Reply } from "./client.ts";
import { eventParts, noEvent } from "./event-rows.ts";
import { readMany } from "./pipelines.ts";
import { findFinished, purgeFinished as purgeScript } from "./scripts/purge.ts";
import type { Access } from "./store.ts";

/** Jobs that one call looks at, and so deletes, at most: they go in one step, which holds up every other call. */
const roundMax = 500;

/** Looking for jobs where there are none costs as much as looking at so many. */
const sourceCost = 5;

/** One half of one queue's history: c for completed jobs, e for failed and cancelled ones. */
interface Source {
  readonly queue: string;
  readonly group: "c" | "e";
}

/** How far a purge has come: a source, and in it the last job that was looked at. */
interface Position extends Source {
  readonly at: Millis;
  readonly number: number;
}

interface Round {
  readonly named: readonly (readonly [queue: string, group: string, member: string])[];
  readonly next: Position | undefined;
  readonly now: Millis;
}

/** One bounded round. */
export async function purgeFinished(access: Access, purge: FinishedPurge, limit: number): Promise<PurgeAnswer> {
  const { client, history } = access;
  const start = purge.cursor === undefined ? undefined : positionOf(purge.cursor);
  for (;;) {
    const { named, next, now } = await look(access, purge, start, Math.min(limit, roundMax));
    const rest = next === undefined ? { more: false } : { more: true, next: encode(next) };
    if (purge.dryRun === true || named.length === 0) return { deleted: named.length, ...rest };
    const [event = noEvent] = eventParts([purgedJobsEvent(purge, named.length, now)], history);
    const args = [access.testNow(), history.eventAgeMsMax, ...event, ...named.flat()];
    const deleted = await client.run(purgeScript, args);
    // Somebody else deletes the same, or has revived one: what is left is looked for anew.
    if (deleted !== "moved") return { deleted: named.length, ...rest };
  }
}

async function look(access: Access, purge: FinishedPurge, start: Position | undefined, limit: number): Promise<Round> {
  const named: [string, string, string][] = [];
  const letters = lettersOf(purge.states);
  let now = 0;
  let left = limit;
  for (const source of await sourcesOf(access.client, purge, letters)) {
    const order = start === undefined ? 1 : compare(source, start);
    if (order < 0) continue;
    const { queue, group } = source;
    const from = order === 0 && start !== undefined ? start : { ...source, at: -1, number: 0 };
    if (left <= 0) return { named, next: from, now };
    const args = [queue, group, from.at, from.number, purge.before, left, purge.tenant ?? "", letters];
    const found = (await access.client.run(findFinished, [access.testNow(), ...args])) as Found;
    const [foundNow, looked, at, number, ended, members] = found;
    now = foundNow;
    for (const member of members) named.push([queue, group, member]);
    if (ended !== "1") return { named, next: { ...source, at: Number(at), number: Number(number) }, now };
    left -= looked + sourceCost;
  }
  return { named, next: undefined, now };
}

type Found = readonly [
  now: Millis,
  looked: number,
  at: string,
  number: string,
  ended: string,
  members: readonly string[],
];

const stateLetters: Readonly<Record<FinishedState, string>> = { completed: "c", failed: "f", cancelled: "x" };

function lettersOf(states: FinishedPurge["states"]): string {
  return (states ?? (Object.keys(stateLetters) as FinishedState[])).map((state) => stateLetters[state]).join("");
}

/** The halves that hold anything, of the states that are asked for. */
async function sourcesOf(client: Client, purge: FinishedPurge, letters: string): Promise<readonly Source[]> {
  const groups = [...(letters.includes("c") ? ["c" as const] : []), ...(/[fx]/.test(letters) ? ["e" as const] : [])];
  const queues = [...(await queuesOf(client, purge))].sort();
  const sources = queues.flatMap((queue) => groups.map((group) => ({ queue, group })));
  const counts = await readMany(
    client,
    sources.map(({ queue, group }) => ["ZCARD", `f:${queue}:${group}`]),
  );
  return sources.filter((_, index) => Number(counts[index]) > 0);
}

async function queuesOf(client: Client, { queue, tenant }: FinishedPurge): Promise<ReadonlySet<string>> {
  if (queue !== undefined) return new Set([queue]);
  if (tenant === undefined) return new Set(textsOf((await client.read([["ZRANGE", "queueNames", 0, -1]]))[0]));
  const lanes = textsOf((await client.read([["SMEMBERS", `lanesOf:${tenant}`]]))[0]);
  const queues = await readMany(
    client,
    lanes.map((lane) => ["HGET", `l:${lane}`, "queue"]),
  );
  return new Set(textsOf(queues));
}

function textsOf(reply: Reply | undefined): readonly string[] {
  return Array.isArray(reply) ? reply.filter((text) => typeof text === "string") : [];
}

/** Below 0 when a source comes before another in the order of `sourcesOf`. */
function compare(a: Source, b: Source): number {
  if (a.queue !== b.queue) return a.queue < b.queue ? -1 : 1;
  return a.group === b.group ? 0 : a.group < b.group ? -1 : 1;
}

function encode({ queue, group, at, number }: Position): string {
  return encodeCursor([queue, group, at, number]);
}

function positionOf(cursor: string): Position {
  const [queue, group, at, number] = decodeCursor(cursor, 4);
  return { queue: String(queue), group: group === "e" ? "e" : "c", at: Number(at) || 0, number: Number(number) || 0 };
}
