// A store's health, as far as its data tell: damaged texts, counters, what retention has left. Bounded.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import { formatDuration } from "../../core/duration.ts";
import { type Finding, fine } from "../../core/findings.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import { entriesOf, readEvent } from "./event-rows.ts";
import { parseBase } from "./rows.ts";
import { readableSchedule, scheduleRef } from "./schedule-rows.ts";
import { countersScript } from "./scripts/findings.ts";
import type { Access } from "./store.ts";

/** So many texts of a kind are looked into. */
const lookedAtMax = 20_000;
/** ... and as many characters. */
const charsMax = 64_000_000;
/** Up to so many lanes are compared: the server does nothing else meanwhile. */
const lanesMax = 20_000;
/** A janitor goes round every minute: what should be gone for longer was left by nobody's coming. */
const leftMs = 10 * defaults.janitorMs;
/** Finished jobs of one queue that may lie beyond what retention keeps, as they are trimmed together. */
const slack = 1_000;
const toldMax = 20;

/** What the data tell; the server's settings and the ear's state are told beside. */
export async function dataFindings(access: Access): Promise<Finding[]> {
  return [...(await damage(access)), ...(await counters(access))];
}

/** A kind of text, and what makes one damaged; undefined when it is whole. */
interface Kind {
  readonly key: string;
  readonly what: (name: string, text: string) => string | undefined;
}

const kinds: readonly Kind[] = [
  { key: "jobs", what: jobDamage },
  {
    key: "schedules",
    what: (name, text) => {
      const ref = scheduleRef(name);
      return readableSchedule(ref, text) === undefined ? `schedule ${ref.tenant}/${ref.id}` : undefined;
    },
  },
  { key: "queues", what: (name, text) => (isObject(text) ? undefined : `queue ${name}`) },
  { key: "windows", what: (name, text) => (isObject(text) ? undefined : `the rate's window of queue ${name}`) },
  {
    key: "tenants",
    what: (name, text) => (isObject(text.slice(text.indexOf("|") + 1)) ? undefined : `tenant ${name}`),
  },
];

function jobDamage(seq: string, base: string): string | undefined {
  const { job, damaged } = parseBase(0, base, null, 0);
  if (damaged) return `job ${job.id === "" ? `number ${seq}` : job.id}`;
  return parsedJson(job.input) === undefined ? `the input of job ${job.id}` : undefined;
}

function isObject(text: string): boolean {
  const value = parsedJson(text);
  return typeof value === "object" && value !== null;
}

async function damage(access: Access): Promise<Finding[]> {
  const found: string[] = [];
  for (const { key, what } of kinds) {
    for await (const [name, text] of texts(access, key)) {
      const damaged = what(name, text);
      if (damaged !== undefined) found.push(`${damaged} is damaged and cannot be read (key ${key})`);
      if (found.length >= toldMax) break;
    }
  }
  const [events] = await access.client.read([["XRANGE", "events", "-", "+", "COUNT", 1_000]]);
  for (const entry of entriesOf(events)) {
    if (readEvent(entry) === undefined) found.push(`event ${entry[0]} is damaged and cannot be read (key events)`);
  }
  if (found.length === 0) return [fine("rows", "the stored texts that were looked at can be read")];
  const mend = "Mend or delete it; a backup may have it whole.";
  return found.slice(0, toldMax).map((one): Finding => ({ check: "rows", status: "problem", what: one, mend }));
}

/** The first texts of a hash, a few at a time. */
async function* texts({ client }: Access, key: string): AsyncGenerator<readonly [name: string, text: string]> {
  let cursor = "0";
  let looked = 0;
  let chars = 0;
  do {
    const [answer] = await client.read([["HSCAN", key, cursor, "COUNT", 200]]);
    const [next, pairs] = answer as readonly [string, readonly string[]];
    for (let at = 0; at < pairs.length; at += 2) {
      const text = pairs[at + 1] ?? "";
      chars += text.length;
      looked++;
      yield [pairs[at] ?? "", text];
    }
    cursor = next;
  } while (cursor !== "0" && looked < lookedAtMax && chars < charsMax);
}

type Wrong = readonly [queue: string, what: string, counted: string, stored: string];

async function counters(access: Access): Promise<Finding[]> {
  const { completedCountMax, endedCountMax } = access.history;
  const args = [access.testNow(), lanesMax, completedCountMax + slack, endedCountMax + slack];
  const answer = await access.client.run(countersScript, args);
  const [time, wrong, full] = answer as readonly [string, (readonly Wrong[])?, (readonly string[])?];
  const now = Number(time);
  if (wrong === undefined || full === undefined) {
    return [fine("counters", "not compared: there are too many lanes"), ...(await leftovers(access, [], now))];
  }
  const mend = "Keys were changed by other means than Punctual. `punctual copy` into another store counts anew.";
  const found = wrong.map(([queue, what, counted, stored]): Finding => {
    const where = queue === "" ? "the store" : `queue ${queue}`;
    const said = `${where} counts ${counted} ${what === "" ? "" : `${what} `}jobs and holds ${stored}`;
    return { check: "counters", status: "problem", what: said, mend };
  });
  const all = found.length > 0 ? found : [fine("counters", "the counts of every queue agree with its jobs")];
  return [...all, ...(await leftovers(access, full, now))];
}

/** What a janitor would have deleted. */
async function leftovers(access: Access, full: readonly string[], now: Millis): Promise<Finding[]> {
  const [expiring, events] = await access.client.read([
    ["ZRANGE", "expiring", 0, 0, "WITHSCORES"],
    ["XRANGE", "events", "-", "+", "COUNT", 1],
  ]);
  const reasons: string[] = [];
  const expired = Number((expiring as readonly string[])[1] ?? Number.POSITIVE_INFINITY);
  if (expired < now - leftMs) reasons.push(`finished jobs whose time ended ${ago(now - expired)} ago`);
  if (full.length > 0) reasons.push(`more finished jobs than are kept in ${full.slice(0, toldMax).join(", ")}`);
  const [entry] = entriesOf(events);
  const at = entry === undefined ? undefined : readEvent(entry)?.at;
  if (at !== undefined && at < now - access.history.eventAgeMsMax - leftMs)
    reasons.push(`events of ${ago(now - at)} ago`);
  if (reasons.length === 0) return [fine("retention", "nothing is kept beyond its time")];
  const mend = "Run a process with the role janitor: punctual serve --roles janitor.";
  return [{ check: "retention", status: "warn", what: `there are ${reasons.join("; ")}`, mend }];
}

function ago(ms: number): string {
  return formatDuration(Math.floor(ms / 1_000) * 1_000);
}
