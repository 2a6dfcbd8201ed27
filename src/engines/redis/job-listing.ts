// Jobs in Redis, one or in pages. A page is found in bounded steps, each of one moment: along the index of insertions, of the
// narrowest scope; along the leases where only active jobs are asked for; or along the ends of finished jobs.
import type { Millis } from "../../core/clock.ts";
import type { JobFilter, JobPage, JobSort } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import type { Job, JobState } from "../../core/job.ts";
import { jobMatches, statesOf } from "../../core/job-filter.ts";
import { decodePosition, encodePosition, type Page } from "../../core/page.ts";
import type { TenantId } from "../../core/tenant.ts";
import type { Reply } from "./client.ts";
import { readBytesMax, readJobs, rowsOf } from "./job-reading.ts";
import { seqOf, seqText } from "./row-head.ts";
import type { StoredRow } from "./rows.ts";
import { activeJobs, listFinishedScript, listJobsScript } from "./scripts/listing.ts";
import { readRows } from "./scripts/rows.ts";
import type { Access } from "./store.ts";

/** Rows that one step answers. */
const stepRowsMax = 1_000;

export async function getJob(access: Access, id: JobId, tenant?: TenantId): Promise<Job | undefined> {
  const [row] = await readJobs(access, [id]);
  return tenant === undefined || row?.job.tenant === tenant ? row?.job : undefined;
}

/** A position in a listing: the numbers of its cursor. */
type Position = readonly number[];

interface Step {
  readonly now: Millis;
  readonly rows: readonly { readonly row: StoredRow; readonly position: Position }[];
  /** Where the next step begins; undefined at the end. */
  readonly reached: Position | undefined;
}

/** Reads a step after a position, of so many rows at most. */
type Read = (after: Position | undefined, rowsMax: number) => Promise<Step>;

export async function listJobs(access: Access, filter: JobFilter, page: JobPage): Promise<Page<Job>> {
  const { limit, cursor, sort = "newest" } = page;
  let after = cursor === undefined ? undefined : decodePosition(cursor, sort, sort === "finished" ? 2 : 1);
  const states = statesOf(filter, sort === "finished");
  const narrowed = { ...filter, states };
  const read = states.length === 0 ? nothing : readerOf(access, narrowed, sort);
  const found: { readonly job: Job; readonly position: Position }[] = [];
  let rowsMax = limit + 1;
  do {
    const step = await read(after, Math.min(rowsMax, stepRowsMax));
    for (const { row, position } of step.rows) {
      if (jobMatches(row.job, narrowed, step.now)) found.push({ job: row.job, position });
    }
    after = step.reached;
    rowsMax = 2 * rowsMax;
  } while (after !== undefined && found.length <= limit);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(({ job }) => job),
    ...(found.length > limit && last !== undefined ? { next: encodePosition(sort, last.position) } : {}),
  };
}

const nothing: Read = async () => ({ now: 0, rows: [], reached: undefined });

function readerOf(access: Access, filter: JobFilter & { readonly states: readonly JobState[] }, sort: JobSort): Read {
  if (sort === "finished") return readEnds(access, filter);
  const isActiveOnly = filter.states.every((state) => state === "active");
  return isActiveOnly ? readActive(access, filter, sort) : readInsertions(access, filter, sort);
}

const classes: Readonly<Record<JobState, string>> = {
  pending: "u",
  active: "u",
  completed: "c",
  failed: "f",
  cancelled: "x",
};

/** Along the index of insertions. */
function readInsertions({ client, testNow }: Access, filter: JobFilter, sort: JobSort): Read {
  const wanted = [...new Set(filter.states?.map((state) => classes[state]))].join("");
  const { tenant, queue } = filter;
  const scopes = [...(tenant === undefined ? [] : [`t${tenant}`]), ...(queue === undefined ? [] : [`q${queue}`])];
  const [first = "g", second = ""] = scopes;
  const needles = needlesOf(filter);
  return async (after, rowsMax) => {
    const args = [testNow(), rowsMax, readBytesMax, sort, after?.[0] ?? "", wanted, first, second, ...needles];
    const [now, reached, ...parts] = (await client.run(listJobsScript, args)) as [string, string, ...Reply[]];
    return { now: Number(now), ...bySeq(parts, Number(now)), reached: reached === "" ? undefined : [Number(reached)] };
  };
}

/** What the base text of a job that passes has for certain; others that have it by chance do not pass after all. */
function needlesOf({ task, schedule, keyed, keyPrefix }: JobFilter): string[] {
  const start = keyPrefix === undefined ? "" : JSON.stringify(keyPrefix).slice(1, -1);
  // Half of a character stands otherwise in a text than the whole.
  const isWhole = !/[\ud800-\udbff]$/.test(keyPrefix ?? "");
  return [
    ...(keyed === true || keyPrefix !== undefined ? [`"y":"${isWhole ? start : ""}`] : []),
    ...(schedule === undefined ? [] : [`"o":[${JSON.stringify(schedule)},`]),
    ...(task === undefined ? [] : [`"k":${JSON.stringify(task)}`]),
  ];
}

function bySeq(parts: readonly Reply[], now: Millis): Pick<Step, "rows"> {
  return { rows: rowsOf(parts, now).map((row) => ({ row, position: [row.seq] })) };
}

/** Along the active jobs there are, gathered once: however many others wait, a listing of these is short. */
function readActive({ client, testNow }: Access, filter: JobFilter, sort: JobSort): Read {
  let seqs: readonly number[] | undefined;
  return async (after, rowsMax) => {
    if (seqs === undefined) {
      const args = [testNow(), filter.tenant ?? "", filter.queue ?? ""];
      const all = ((await client.run(activeJobs, args)) as string[]).map(seqOf);
      seqs = all.sort((a, b) => (sort === "oldest" ? a - b : b - a));
    }
    const [position] = after ?? [];
    const beyond = (seq: number) => position === undefined || (sort === "oldest" ? seq > position : seq < position);
    const next = seqs.filter(beyond);
    const some = next.slice(0, rowsMax).map(seqText);
    const answer = await client.run(readRows, [testNow(), rowsMax, readBytesMax, ...some]);
    const [now, read, ...parts] = answer as [string, number, ...Reply[]];
    const reached = next[read - 1];
    const isEnd = read >= next.length || reached === undefined;
    return { now: Number(now), ...bySeq(parts, Number(now)), reached: isEnd ? undefined : [reached] };
  };
}

/** Along the ends of finished jobs, the last first. */
function readEnds({ client, testNow }: Access, filter: JobFilter): Read {
  const { queue, states = [], finishedFrom = "", finishedBefore = "" } = filter;
  const groups = [...new Set(states.map((state) => (state === "completed" ? "c" : "e")))];
  const sources = queue === undefined ? ["finished"] : groups.map((group) => `f:${queue}:${group}`);
  return async (after, rowsMax) => {
    const [at = "", seq = ""] = after ?? [];
    const args = [testNow(), rowsMax, readBytesMax, at, seq, finishedFrom, finishedBefore, ...sources];
    const answer = await client.run(listFinishedScript, args);
    const [now, reachedAt, reached, ...parts] = answer as [string, string, string, ...Reply[]];
    const rows = rowsOf(parts, Number(now), 4).map((row) => ({ row, position: [row.job.finishedAt ?? 0, row.seq] }));
    return { now: Number(now), rows, reached: reached === "" ? undefined : [Number(reachedAt), Number(reached)] };
  };
}
