// A lease is a worker's right to a job until an instant. It is named by (job, attempt, token): a write that names
// another attempt or token is stale and changes nothing.
import type { JobId, Token } from "./id.ts";
import type { Job, LeaseRef } from "./job.ts";

/** Names one lease. `queue` only routes: stores that spread queues need it. */
export interface Lease {
  readonly id: JobId;
  readonly queue: string;
  /** Grows by one with every claim of the job and is never reset. */
  readonly attempt: number;
  /** Minted per claim, so that a store which forgot a claim still refuses its holder. */
  readonly token: Token;
  /** The engine's own word for where the job lies, from the claim; it only makes finding it quick, and may be absent. Another lease's is its caller's error. */
  readonly ref?: LeaseRef | undefined;
}

/** The part of a stored job that a fence looks at. */
export interface LeaseState {
  readonly state: Job["state"];
  readonly attempt: number;
  readonly token?: Token | undefined;
}

/**
 * The fence: whether a lease still names the job's present holder. An expired lease that nobody has claimed since
 * still holds: its worker was slow, not replaced.
 */
export function holds(lease: Pick<Lease, "attempt" | "token">, job: LeaseState | undefined): boolean {
  return job !== undefined && job.state === "active" && job.attempt === lease.attempt && job.token === lease.token;
}

/** Whether the job is as this very lease's settlement left it: the call is a repeat after a lost answer. */
export function isRepeat(lease: Pick<Lease, "attempt" | "token">, job: LeaseState | undefined): boolean {
  return job !== undefined && job.state !== "active" && job.attempt === lease.attempt && job.token === lease.token;
}
