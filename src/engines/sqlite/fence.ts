// What a fence looks at, read without the rest of a job: for core's `holds`, many at a time.
import type { JobId } from "../../core/id.ts";
import type { LeaseState } from "../../core/lease.ts";
import { type Place, stateOf } from "../../core/stored-job.ts";
import type { Tx } from "./tx.ts";

const fencesStatement = `-- jobs.fences
SELECT ids.key, seq, tenant, queue, place, attempt, token, cancel_requested,
  jobs.key IS NOT NULL OR schedule IS NOT NULL, detail
FROM json_each(?) AS ids CROSS JOIN punctual_jobs AS jobs WHERE jobs.id = unhex(ids.value, '-')`;

type FenceRow = readonly [
  index: number,
  seq: number,
  tenant: string,
  queue: string,
  place: Place,
  attempt: number,
  token: string | null,
  cancelRequested: number | null,
  tied: number,
  detail: string | null,
];

const fencesAtStatement = `-- jobs.fencesAt
SELECT seqs.key, seq, tenant, queue, place, attempt, token, cancel_requested,
  jobs.key IS NOT NULL OR schedule IS NOT NULL, detail
FROM json_each(?) AS seqs CROSS JOIN punctual_jobs AS jobs WHERE jobs.seq = seqs.value`;

/** A pending or active job as a fence sees it. */
export interface Fence extends LeaseState {
  readonly seq: number;
  readonly tenant: string;
  readonly queue: string;
  readonly cancelRequested: boolean;
  /** It has a key or a schedule, which its end would touch as well. */
  readonly tied: boolean;
  readonly detail: string | null;
}

/** The fences of jobs, each at its id's place in the list; undefined says that there is none. */
export function readFences({ connection }: Tx, ids: readonly JobId[]): (Fence | undefined)[] {
  return inOrder(ids.length, connection.tuples<FenceRow>(fencesStatement, JSON.stringify(ids)));
}

/** The same by the rows that leases point at. Their token tells whether it is still the same job that lies there. */
export function readFencesAt({ connection }: Tx, seqs: readonly number[]): (Fence | undefined)[] {
  return inOrder(seqs.length, connection.tuples<FenceRow>(fencesAtStatement, `[${seqs.join(",")}]`));
}

function inOrder(count: number, rows: readonly FenceRow[]): (Fence | undefined)[] {
  const fences: (Fence | undefined)[] = new Array(count).fill(undefined);
  for (const row of rows) {
    const [index, seq, tenant, queue, place, attempt, token, cancelRequested, tied, detail] = row;
    fences[index] = {
      seq,
      tenant,
      queue,
      state: stateOf(place),
      attempt,
      token: token ?? undefined,
      cancelRequested: cancelRequested === 1,
      tied: tied === 1,
      detail,
    };
  }
  return fences;
}
