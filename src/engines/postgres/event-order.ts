// The order in which events are seen. Writers commit side by side, so an event is given its id once it is committed, by
// one transaction after another: whoever has seen an id has been able to see every smaller one.
import type { Steps } from "./steps.ts";

/** Events that one transaction gives ids to, at most. */
const batchMax = 5_000;

const anyNewStatement = "-- events.anyNew\nSELECT EXISTS (SELECT 1 FROM punctual.events WHERE id IS NULL) AS any";

const turnStatement = "-- events.turn\nSELECT pg_advisory_xact_lock(hashtextextended('punctual.events', 0))";

// A statement of its own behind the lock: its snapshot sees all that the one before has done. Rows that someone deletes
// at this moment are passed over.
const numberStatement = `-- events.number
WITH new AS MATERIALIZED (
  SELECT arrival FROM punctual.events WHERE id IS NULL ORDER BY arrival LIMIT $1 FOR UPDATE SKIP LOCKED
), numbered AS MATERIALIZED (
  SELECT arrival, nextval('punctual.events_id') AS id FROM (SELECT arrival FROM new ORDER BY arrival) AS ordered
), given AS (
  UPDATE punctual.events AS events SET id = numbered.id FROM numbered WHERE events.arrival = numbered.arrival RETURNING 1
)
SELECT count(*)::int4 AS given FROM given`;

/** Gives ids to all events that are committed. Not for a caller's transaction, which would hold everyone up. */
export async function numberEvents(steps: Steps): Promise<void> {
  const [row] = await steps.connections.run(anyNewStatement);
  if (row?.["any"] !== true) return;
  for (let given = batchMax; given === batchMax; ) {
    given = await steps.begin(async ({ session }) => {
      await session.run(turnStatement);
      const [numbered] = await session.run(numberStatement, [batchMax]);
      return numbered?.["given"];
    });
  }
}
