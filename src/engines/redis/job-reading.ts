// Whole jobs out of the answers of scripts that read them.
import type { Millis } from "../../core/clock.ts";
import type { JobId } from "../../core/id.ts";
import type { Reply } from "./client.ts";
import { seqOf } from "./row-head.ts";
import { parseBase, type StoredRow } from "./rows.ts";
import { getJobs } from "./scripts/rows.ts";
import type { Access } from "./store.ts";

/** Bytes of jobs that one call reads: a page of large inputs must not become one message. */
export const readBytesMax = 4_000_000;

/** Jobs by their ids, of one moment; undefined for those that are not stored. */
export async function readJobs(access: Access, ids: readonly JobId[]): Promise<(StoredRow | undefined)[]> {
  const [now, ...parts] = (await access.client.run(getJobs, [access.testNow(), ...ids])) as [string, ...Reply[]];
  return ids.map((_, index) => rowOf(parts, 3 * index, Number(now)));
}

/** The jobs of an answer: number, base and overlay of each, with `width` parts in all. */
export function rowsOf(parts: readonly Reply[], now: Millis, width = 3): StoredRow[] {
  const rows: StoredRow[] = [];
  for (let at = 0; at < parts.length; at += width) {
    const row = rowOf(parts, at, now);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

function rowOf(parts: readonly Reply[], at: number, now: Millis): StoredRow | undefined {
  const [seq, base, overlay] = parts.slice(at, at + 3) as (string | null)[];
  return seq == null || base == null ? undefined : parseBase(seqOf(seq), base, overlay ?? null, now);
}
