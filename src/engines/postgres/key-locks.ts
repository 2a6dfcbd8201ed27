// Advisory locks of keys: who waits for a key that someone's open transaction has taken waits here, before it takes the lock
// of a count that others need.

import { slotText } from "../../core/workspace/names.ts";
import type { Loaded, Workspace } from "../../core/workspace/workspace.ts";
import type { Session } from "./connections.ts";

// In the order of their texts, so that two who want the same keys wait in a row.
const lockKeysStatement = `-- guards.lockKeys
SELECT pg_advisory_xact_lock(hashtextextended('punctual.key ' || name, 0)) AS locked
FROM (SELECT value AS name FROM json_array_elements_text($1::json) ORDER BY value COLLATE "C") AS names`;

/** Keys that one step locks at most: a server has room for some thousands of locks. */
const lockedKeysMax = 100;

/**
 * Keys that nobody seems to have, before the lock of a count: who waits for a key that someone's open transaction has
 * taken must not hold up all who are counted meanwhile.
 */
export async function lockFreeKeys(session: Session, { slots }: Loaded): Promise<void> {
  await lockKeys(
    session,
    [...slots].flatMap(([text, { current }]) => (current === undefined ? [text] : [])),
  );
}

/**
 * In a caller's transaction, which holds no lock of a count: the keys that are about to be taken, and no others. It may
 * stay open for long, and an insert that was refused has no need of its key.
 */
export async function lockTakenKeys(session: Session, workspace: Workspace, loaded: Loaded): Promise<void> {
  if (loaded.unfinishedCounts.size === 0) return;
  const taken = workspace.changedJobs().flatMap(({ before, after }) => {
    if (before !== undefined || after?.job.key === undefined) return [];
    const { tenant, queue, key } = after.job;
    return [slotText({ tenant, queue, key })];
  });
  await lockKeys(session, taken);
}

async function lockKeys(session: Session, keys: readonly string[]): Promise<void> {
  if (keys.length === 0 || keys.length > lockedKeysMax) return;
  await session.run(lockKeysStatement, [JSON.stringify(keys)]);
}
