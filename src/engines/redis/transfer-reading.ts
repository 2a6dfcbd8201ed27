// What a store holds as items, kind by kind: each beyond a name, in the order of a transfer.
import type { Millis } from "../../core/clock.ts";
import { StoreCorruptError } from "../../core/errors.ts";
import { has, isNumber, isText } from "../../core/shape.ts";
import { parsedJson, readWindow } from "../../core/stored-limits.ts";
import { plainWeight } from "../../core/tenant-record.ts";
import type { TransferItem, TransferKind, TransferName, UsedKey } from "../../core/transfer.ts";
import type { Command, Reply } from "./client.ts";
import { entriesOf, readEvent } from "./event-rows.ts";
import { readBytesMax, rowsOf } from "./job-reading.ts";
import { readQueue } from "./queues.ts";
import { recordOf } from "./records.ts";
import { scheduleRef, toSchedule } from "./schedule-rows.ts";
import { listJobsScript } from "./scripts/listing.ts";
import type { Access } from "./store.ts";
import { readTenant } from "./tenant-rows.ts";
import { fieldOf, type SortedNames } from "./transfer-names.ts";

/** Which items are to be read. */
interface Asked {
  readonly after: TransferName | undefined;
  /** Items at most. */
  readonly limit: number;
  /** Tells what has expired. */
  readonly now: Millis;
}

/** What a reader of a store keeps between pages. */
export interface Source {
  readonly access: Access;
  readonly lanes: SortedNames;
  readonly used: SortedNames;
}

type ReadKind = (source: Source, asked: Asked) => Promise<TransferItem[]>;

export function readKind(source: Source, kind: TransferKind, asked: Asked): Promise<TransferItem[]> {
  return kinds[kind](source, asked);
}

type Text = string | null;

/**
 * Reads along a sorted set of names, as many as it takes to fill a page.
 * @param look the reads of each name, and what becomes of their answers
 */
async function along(
  { access: { client } }: Source,
  key: string,
  { after, limit }: Asked,
  look: (name: string) => {
    readonly commands: readonly Command[];
    item(texts: readonly Text[]): TransferItem | undefined;
  },
): Promise<TransferItem[]> {
  const items: TransferItem[] = [];
  let from = after === undefined ? "-" : `(${after.join("\n")}`;
  for (let more = true; more && items.length < limit; ) {
    const count = Math.min(limit, 500);
    const [found] = await client.read([["ZRANGE", key, from, "+", "BYLEX", "LIMIT", 0, count]]);
    const names = found as readonly string[];
    const looks = names.map(look);
    const answers = await client.read(looks.flatMap(({ commands }) => commands));
    let at = 0;
    for (const { commands, item } of looks) {
      const made = item(answers.slice(at, at + commands.length) as Text[]);
      at += commands.length;
      if (made !== undefined) items.push(made);
    }
    more = names.length === count;
    from = `(${names.at(-1)}`;
  }
  return items.slice(0, limit);
}

const kinds: Readonly<Record<TransferKind, ReadKind>> = {
  queue: (source, asked) =>
    along(source, "queueNames", asked, (name) => ({
      commands: [
        ["HGET", "queues", name],
        ["HGET", "windows", name],
      ],
      item: ([text = null, window = null]) => {
        if (text === null) return undefined;
        const queue = isObject(text) ? readQueue(name, text) : undefined;
        return { kind: "queue", queue: readable(queue, `queue ${name}`), window: readWindow(window) };
      },
    })),

  tenant: (source, asked) =>
    along(source, "tenantNames", asked, (id) => ({
      commands: [
        ["HGET", "tenants", id],
        ["HGET", `t:${id}`, "window"],
      ],
      item: ([text = null, window = null]) => {
        if (text === null) return undefined;
        const tenant = isObject(text.slice(text.indexOf("|") + 1)) ? readTenant(id, text) : undefined;
        return { kind: "tenant", tenant: readable(tenant, `tenant ${id}`), window: readWindow(window) };
      },
    })),

  job: readJobs,

  lane: (source, asked) => throughNames(source.lanes, asked, (names) => readLanes(source.access, names)),

  idempotency: (source, asked) =>
    throughNames(source.used, asked, (names) => readUsedKeys(source.access, names, asked.now)),

  record: (source, asked) =>
    along(source, "recordNames", asked, (key) => ({
      commands: [["HGET", "records", key]],
      item: ([text = null]) => {
        if (text === null) return undefined;
        const record = readable(recordOf(key, text), `the record ${JSON.stringify(key)}`);
        return (record.expiresAt ?? Number.POSITIVE_INFINITY) > asked.now ? { kind: "record", ...record } : undefined;
      },
    })),

  event: async ({ access: { client } }, { after, limit }) => {
    const from = Number(after?.[0] ?? -1) + 1;
    const [entries] = await client.read([["XRANGE", "events", from, "+", "COUNT", limit]]);
    return entriesOf(entries).map((entry) => {
      return { kind: "event", event: readable(readEvent(entry), `event ${entry[0]}`) };
    });
  },

  eventSequence: async ({ access: { client } }, { after }) => {
    if (after !== undefined) return [];
    const [last] = await client.read([["HGET", "meta", "event"]]);
    return [{ kind: "eventSequence", lastId: Number(last ?? 0) }];
  },

  schedule: (source, asked) =>
    along(source, "scheduleNames", asked, (name) => ({
      commands: [["HGET", "schedules", name]],
      item: ([text = null]) => {
        return text === null ? undefined : { kind: "schedule", schedule: toSchedule(scheduleRef(name), text) };
      },
    })),
};

/** Along the index of insertions, step by step. */
async function readJobs({ access: { client, testNow } }: Source, { after, limit }: Asked): Promise<TransferItem[]> {
  const items: TransferItem[] = [];
  let from: string | number = Number(after?.[0] ?? 0);
  while (items.length < limit) {
    const rowsMax = Math.min(limit - items.length, 1_000);
    const args = [testNow(), rowsMax, readBytesMax, "oldest", from, "ucfx", "g", ""];
    const [now, reached, ...parts] = (await client.run(listJobsScript, args)) as [string, string, ...Reply[]];
    for (const { seq, job, damaged } of rowsOf(parts, Number(now))) {
      items.push({ kind: "job", seq, job: readable(damaged ? undefined : job, `job ${job.id}`) });
    }
    if (reached === "") break;
    from = reached;
  }
  return items;
}

/** Along names that the store keeps in no order; what has gone since they were gathered is left out. */
async function throughNames(
  sorted: SortedNames,
  { after, limit }: Asked,
  read: (names: readonly TransferName[]) => Promise<(TransferItem | undefined)[]>,
): Promise<TransferItem[]> {
  const items: TransferItem[] = [];
  let from = after;
  for (let more = true; more && items.length < limit; ) {
    const names = await sorted.beyond(from, limit - items.length);
    more = names.length === limit - items.length;
    from = names.at(-1);
    if (names.length > 0) items.push(...(await read(names)).filter((item) => item !== undefined));
  }
  return items;
}

async function readLanes({ client }: Access, names: readonly TransferName[]): Promise<(TransferItem | undefined)[]> {
  const [lanes] = await client.read([["HMGET", "lanes", ...names.map(fieldOf)]]);
  const fields = ["tcompleted", "tfailed", "tcancelled", "pass", "weight"];
  const rows = await client.read((lanes as Text[]).map((lane) => ["HMGET", `l:${lane}`, ...fields]));
  return names.map(([queue = "", tenant = ""], index) => {
    if ((lanes as Text[])[index] === null) return undefined;
    const [completed = 0, failed = 0, cancelled = 0, pass = 0, weight] = (rows[index] as Text[]).map(Number);
    const totals = { completed, failed, cancelled };
    return { kind: "lane", queue: `${queue}`, tenant: `${tenant}`, totals, pass, weight: weight || plainWeight };
  });
}

async function readUsedKeys(
  { client }: Access,
  names: readonly TransferName[],
  now: Millis,
): Promise<(TransferItem | undefined)[]> {
  const [texts] = await client.read([["HMGET", "idempotency", ...names.map(fieldOf)]]);
  return names.map(([tenant = "", key = ""], index) => {
    const text = (texts as readonly Text[])[index] ?? null;
    if (text === null) return undefined;
    const used = readable(usedKey(text), `the idempotencyKey ${JSON.stringify(key)} of tenant ${tenant}`);
    return used.expiresAt > now ? { kind: "idempotency", tenant: `${tenant}`, key: `${key}`, ...used } : undefined;
  });
}

const looksUsed = has({ body: isText, job: isText, dueAt: isNumber, expiresAt: isNumber });

function usedKey(text: string): UsedKey | undefined {
  const value = parsedJson(text);
  return looksUsed(value) ? (value as UsedKey) : undefined;
}

function isObject(text: string): boolean {
  const value = parsedJson(text);
  return typeof value === "object" && value !== null;
}

/** @throws StoreCorruptError naming what cannot be read: a copy without it would be another store */
function readable<Item>(item: Item | undefined, what: string): Item {
  if (item !== undefined) return item;
  throw new StoreCorruptError(`${what} cannot be read`, {
    mend: "`punctual doctor` names what is damaged; mend or delete it, or restore a backup.",
  });
}
