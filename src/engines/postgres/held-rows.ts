// Which items of a call another transaction has in hand: one look that waits for nobody, once a batch has waited in vain.
import { Names } from "../../core/workspace/names.ts";
import type { Steps } from "./steps.ts";

const found = "named.item, jobs.seq, jobs.tenant, jobs.queue, jobs.key, jobs.schedule";

// With a job its key's other slot, and its schedule: its end touches them. What is locked here is let go at once.
const heldStatement = `-- steps.held
WITH named AS MATERIALIZED (
  SELECT ${found} FROM json_to_recordset($1::json) AS named (item integer, id uuid)
    JOIN punctual.jobs AS jobs ON jobs.id = named.id
  UNION SELECT ${found} FROM json_to_recordset($2::json) AS named (item integer, id uuid)
    JOIN punctual.jobs AS jobs ON jobs.replaced_by = named.id
  UNION SELECT ${found} FROM json_to_recordset($3::json) AS named (item integer, tenant text, queue text, key text)
    JOIN punctual.jobs AS jobs ON jobs.tenant = named.tenant AND jobs.queue = named.queue AND jobs.key = named.key
), rows AS MATERIALIZED (
  SELECT item, seq, tenant, schedule FROM named
  UNION SELECT ${found.replace(", jobs.queue, jobs.key", "")} FROM named
    JOIN punctual.jobs AS jobs ON jobs.tenant = named.tenant AND jobs.queue = named.queue AND jobs.key = named.key
), ticking AS MATERIALIZED (
  SELECT item, schedules.tenant, schedules.id FROM rows
    JOIN punctual.schedules AS schedules ON schedules.tenant = rows.tenant AND schedules.id = rows.schedule
  UNION SELECT item, schedules.tenant, schedules.id FROM json_to_recordset($4::json) AS named (item integer, tenant text, id text)
    JOIN punctual.schedules AS schedules ON schedules.tenant = named.tenant AND schedules.id = named.id
), free_jobs AS MATERIALIZED (
  SELECT seq FROM punctual.jobs WHERE seq IN (SELECT seq FROM rows) FOR UPDATE SKIP LOCKED
), free_schedules AS MATERIALIZED (
  SELECT tenant, id FROM punctual.schedules WHERE (tenant, id) IN (SELECT tenant, id FROM ticking)
  FOR NO KEY UPDATE SKIP LOCKED
)
SELECT item FROM rows WHERE seq NOT IN (SELECT seq FROM free_jobs)
UNION SELECT item FROM ticking WHERE (tenant, id) NOT IN (SELECT tenant, id FROM free_schedules)`;

/** Finds the items whose rows another transaction holds. */
export type FindHeld<Item> = (items: readonly Item[]) => Promise<ReadonlySet<Item>>;

/** @param name names the rows that an item's step locks */
export function heldAmong<Item>(steps: Steps, name: (names: Names, item: Item) => void): FindHeld<Item> {
  return async (items) => {
    const named = items.map((each, item) => {
      const names = new Names();
      name(names, each);
      return { item, names };
    });
    const listed = (rowsOf: (names: Names) => Iterable<object>) =>
      JSON.stringify(named.flatMap(({ item, names }) => [...rowsOf(names)].map((row) => ({ item, ...row }))));
    const withId = (ids: Iterable<string>) => [...ids].map((id) => ({ id }));
    const rows = await steps.connections.run(heldStatement, [
      listed(({ jobs, fresh }) => withId([...jobs, ...fresh])),
      listed(({ replacedBy }) => withId(replacedBy)),
      listed(({ slots }) => [...slots.values()].map(({ tenant, queue, key }) => ({ tenant, queue, key }))),
      listed(({ schedules }) => schedules.values()),
    ]);
    return new Set(rows.flatMap(({ item }) => items[item] ?? []));
  };
}
