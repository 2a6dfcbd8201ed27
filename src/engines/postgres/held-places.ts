// Places of a tenant's concurrency that dead workers hold: their leases have ended, and nobody recovers them, as the
// queue is paused or not served. Who serves it has a lease's time to; then a claim that wants the place gives it up.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import { giveUpPlace } from "../../core/steps/recovery.ts";
import { Names } from "../../core/workspace/names.ts";
import type { Session } from "./connections.ts";
import { ageLeases } from "./fresh-leases.ts";
import { waitingLanes } from "./limited-lanes.ts";
import type { Step } from "./steps.ts";
import type { TenantLimits } from "./tenant-limits.ts";
import { attempt } from "./trying.ts";

/** Leases that one claim gives up, at most. */
const givenUpMax = 100;

// Queue by queue along the index of leases: a look at the first of each.
const queues = `queues (name) AS (
  SELECT min(queue) FROM punctual.jobs WHERE place = 'active'
  UNION ALL
  SELECT (SELECT min(queue) FROM punctual.jobs WHERE place = 'active' AND queue > name) FROM queues WHERE name IS NOT NULL
)`;

// $4: so long ago a lease must have ended.
const holding = `FROM queues JOIN punctual.jobs AS jobs ON jobs.queue = queues.name
WHERE place = 'active' AND lease_until <= $4::bigint
  AND (jobs.tenant IN (SELECT tenant FROM waiting WHERE limited AND NOT blocked AND is_full)) IS TRUE`;

const heldStatement = `-- jobs.holdingPlaces
WITH RECURSIVE ${queues}, ${waitingLanes}
SELECT jobs.id::text AS id, jobs.tenant, jobs.queue ${holding}
ORDER BY lease_until, seq LIMIT ${givenUpMax} FOR UPDATE OF jobs SKIP LOCKED`;

const giveUpAtStatement = `-- jobs.giveUpAt
WITH RECURSIVE ${queues}, ${waitingLanes}
SELECT EXISTS (SELECT 1 ${holding}) AS now, EXISTS (SELECT 1 FROM punctual.claims WHERE ends_at <= $4::bigint) AS stale, least((
  SELECT min(ends_at) FROM punctual.claims WHERE ends_at > $4::bigint
), (
  SELECT min((SELECT min(lease_until) FROM punctual.jobs WHERE place = 'active' AND queue = name AND lease_until > $4::bigint))
  FROM queues WHERE name IS NOT NULL
))::float8 AS next_end`;

/** Whose places, wanted by which queues. */
export interface Wanted {
  readonly queues: readonly string[];
  readonly leaseMs: number;
  readonly now: Millis;
}

function valuesOf({ queues: wanted, leaseMs, now }: Wanted): [string, number, string, number] {
  return [JSON.stringify(wanted), now, "[]", now - leaseMs];
}

/**
 * Gives up places for which jobs of the claim's queues wait: their jobs wait again, and are no longer the worker's.
 * @returns whether there were any
 */
export async function giveUpPlaces(step: Step, limits: TenantLimits, wanted: Wanted): Promise<boolean> {
  const rows = await step.session.run(heldStatement, valuesOf(wanted));
  await limits.load(rows.map((row) => row["tenant"]));
  let given = false;
  for (const { id, tenant, queue } of rows) {
    // As many as are wanted: another of the same tenant may have made room.
    if (!limits.allowsRecovery(tenant) || limits.room(tenant)?.jobs !== 0) continue;
    const names = new Names();
    names.jobs.add(id);
    names.queues.add(queue);
    const outcome = await attempt(step, () =>
      step.decide(names, (workspace) => {
        const stored = workspace.findLive(id);
        if (stored?.job.state === "active") giveUpPlace(workspace, stored);
      }),
    );
    if (outcome === "held") continue;
    limits.addActive(tenant, -1);
    given = true;
  }
  await limits.flush();
  return given;
}

/** When a place may be given up for jobs of queues that wait for one: the past when there is one; may be early, is not late. */
export async function giveUpAt(session: Session, wanted: Wanted): Promise<Millis | undefined> {
  const values = valuesOf(wanted);
  let [row] = await session.run(giveUpAtStatement, values);
  if (row?.["stale"] === true) {
    await ageLeases(session, wanted.now);
    [row] = await session.run(giveUpAtStatement, values);
  }
  if (row?.["now"] === true) return wanted.now;
  // More have ended than are aged at once, or someone has them in hand.
  if (row?.["stale"] === true) return wanted.now + defaults.postgres.heldRetryMs;
  const end: number | null = row?.["next_end"] ?? null;
  return end === null ? undefined : end + wanted.leaseMs;
}
