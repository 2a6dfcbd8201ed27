// Leases that have ended: one of them is claimed, alone.

import { defaults } from "../../core/defaults.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { recoverLease } from "../../core/steps/recovery.ts";
import { Names } from "../../core/workspace/names.ts";
import { type OpenQueue, rateLeft, spend } from "./claim-look.ts";
import type { LockedClaim } from "./locked-claim.ts";
import { attempt } from "./trying.ts";

/** Leases of jobs that end instead of being recovered, in one claim at most. */
const endedMax = 100;

/** Leases that cannot be recovered for what others hold are passed over in one claim, so many at most. */
const heldMax = 3;

// A row that another transaction holds is left to it: its holder settles or extends it, or someone cancels it.
const expiredStatement = `-- jobs.expired
SELECT jobs.id::text AS id, jobs.tenant FROM punctual.jobs AS jobs
WHERE queue = $1 AND place = 'active' AND lease_until <= $2::bigint
  AND NOT EXISTS (SELECT 1 FROM punctual.tenants WHERE id = jobs.tenant AND blocked_until > $2::bigint)
  AND tenant NOT IN (SELECT value FROM json_array_elements_text($3::json))
  AND id NOT IN (SELECT value::uuid FROM json_array_elements_text($4::json))
ORDER BY lease_until, seq LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED`;

/** A job whose lease has ended, alone. One with a successor ends instead, and the next is looked at. */
export async function recoverOne(claim: LockedClaim): Promise<ClaimedJob | undefined> {
  const { request, now } = claim;
  if (request.starts < 1) return undefined;
  let ended = 0;
  const held: string[] = [];
  for (const queue of claim.open) {
    // It is started again, so the rates count it; it is active already, so no concurrency does.
    if (queue.limit < 1 || request.limit < 1 || rateLeft(queue, now).limit < 1) continue;
    if (queue.leaseUntil === undefined || queue.leaseUntil > now) continue;
    while (ended < endedMax) {
      const found = held.length < heldMax ? await expired(claim, queue, held) : undefined;
      if (found === undefined) {
        // What there is another transaction has in hand.
        queue.leaseUntil = now + defaults.postgres.heldRetryMs;
        break;
      }
      const recovered = await attempt(claim.step, () => recover(claim, queue, found.id));
      if (recovered === "held") {
        held.push(found.id);
        continue;
      }
      if (recovered === undefined) {
        ended++;
        claim.limits?.addActive(found.tenant, -1);
        continue;
      }
      if (spend(queue, 1, now)) claim.writes.saveWindow(queue);
      // It was active before, so its tenant has no place less.
      claim.limits?.spend(recovered.tenant, 1, 0);
      return recovered;
    }
  }
  if (ended > 0) await claim.refresh();
  return undefined;
}

interface Expired {
  readonly id: string;
  readonly tenant: string;
}

/** The lease of a queue that ended first, of a tenant whose rate allows it to be recovered. */
async function expired(claim: LockedClaim, queue: OpenQueue, held: readonly string[]): Promise<Expired | undefined> {
  const { step, limits, now } = claim;
  const out: string[] = [];
  for (;;) {
    const values = [queue.name, now, JSON.stringify(out), JSON.stringify(held)];
    const [row] = (await step.session.run(expiredStatement, values)) as Expired[];
    if (row === undefined || limits === undefined) return row;
    await limits.load([row.tenant]);
    if (limits.allowsRecovery(row.tenant)) return row;
    out.push(row.tenant);
    await limits.flush();
  }
}

async function recover(claim: LockedClaim, { name }: OpenQueue, id: string): Promise<ClaimedJob | undefined> {
  const { claimId: token, worker, leaseMs } = claim.request;
  const names = new Names();
  names.jobs.add(id);
  names.queues.add(name);
  return claim.step.decide(names, (workspace) => {
    const stored = workspace.findLive(id);
    return stored && recoverLease(workspace, stored, { token, worker, leaseMs, startsNow: true }, stored.seq);
  });
}
