// Counts that limits hold (N2): jobs and ticking schedules of a tenant, never counted first and exceeded then. A step of
// ours counts under a lock that ends with its own short transaction. A caller's transaction may stay open for long, so it
// takes no lock: what it is about to add is reserved, and counts for others until the transaction is decided.
import type { TenantId } from "../../core/tenant.ts";
import type { Connections, Session } from "./connections.ts";
import type { CountKind } from "./load.ts";

// Tenants share so many locks, so that a step over very many takes no more than a server has; in one order.
const lockStatement = `-- guards.lock
SELECT pg_advisory_xact_lock(hashtext('punctual.guard ' || $1::text), share)
FROM (SELECT DISTINCT hashtext(value) & 255 AS share FROM json_array_elements_text($2::json) ORDER BY share) AS shares`;

// Of a transaction that the statement's own snapshot sees, the rows are counted; one that was undone counts for nothing.
const reservedBy = (others: string) => `coalesce((
  SELECT sum(count) FROM punctual.reservations WHERE tenant = $1 AND kind = $2 AND ${others}
    AND NOT pg_visible_in_snapshot(xact, pg_current_snapshot()) AND pg_xact_status(xact) IS DISTINCT FROM 'aborted'
), 0)`;

const jobs = `(
  SELECT coalesce(sum(ready + deferred + held + active), 0) FROM punctual.lanes WHERE tenant = $1
) + (
  SELECT coalesce(sum(ready + deferred + held + active), 0) FROM punctual.lane_deltas WHERE tenant = $1
)`;

const schedules = "(SELECT count(*) FROM punctual.schedules WHERE tenant = $1 AND enabled AND next_at IS NOT NULL)";

const countStatements: Readonly<Record<CountKind, string>> = { jobs: countOf(jobs), schedules: countOf(schedules) };

/** `seen`: rows; `waiting`: what others have reserved; `own`: what the transaction named by $3 has. */
function countOf(rows: string): string {
  return `-- guards.count
SELECT (${rows})::float8 AS seen, ${reservedBy("xact <> coalesce($3::text, '0')::xid8")}::float8 AS waiting,
  ${reservedBy("xact = coalesce($3::text, '0')::xid8")}::float8 AS own`;
}

const reserveStatement = `-- guards.reserve
INSERT INTO punctual.reservations (tenant, kind, xact, count) VALUES ($1, $2, $3::text::xid8, $4)`;

const sweepStatement = `-- guards.sweep
DELETE FROM punctual.reservations WHERE tenant = $1 AND kind = $2
  AND (pg_visible_in_snapshot(xact, pg_current_snapshot()) OR pg_xact_status(xact) = 'aborted')`;

const transactionStatement = `-- guards.transaction
SELECT pg_current_xact_id()::text AS xact, current_setting('transaction_isolation') AS isolation`;

const unfinished = "SELECT tenant, ready + deferred + held + active AS count FROM";
const among = "WHERE tenant IN (SELECT value FROM json_array_elements_text($1::json))";
// Of a table without an index by tenant each row is looked up in the list, not the other way round.
const amongAll = "WHERE (tenant IN (SELECT value FROM json_array_elements_text($1::json))) IS TRUE";

const manyRows: Readonly<Record<CountKind, string>> = {
  jobs: `${unfinished} punctual.lanes ${among} UNION ALL ${unfinished} punctual.lane_deltas ${amongAll}`,
  schedules: `SELECT tenant, 1 AS count FROM punctual.schedules ${among} AND enabled AND next_at IS NOT NULL`,
};

const countManyStatements: Readonly<Record<CountKind, string>> = {
  jobs: countManyOf("jobs"),
  schedules: countManyOf("schedules"),
};

/** As `countOf` for many tenants, without a transaction of one's own. */
function countManyOf(kind: CountKind): string {
  return `-- guards.countMany
SELECT tenant, sum(count)::float8 AS count FROM (
  ${manyRows[kind]} UNION ALL
  SELECT tenant, count FROM punctual.reservations ${amongAll} AND kind = '${kind}'
    AND NOT pg_visible_in_snapshot(xact, pg_current_snapshot()) AND pg_xact_status(xact) IS DISTINCT FROM 'aborted'
) AS parts GROUP BY tenant`;
}

export interface Guards {
  /** Free keys are locked before a count, whose lock would else be held while a key is waited for. */
  readonly locksKeysFirst: boolean;
  /** What tenants have, as a step may count on until it commits. @param wanted with what it is about to add at most */
  count(
    session: Session,
    kind: CountKind,
    wanted: ReadonlyMap<TenantId, number>,
  ): Promise<ReadonlyMap<TenantId, number>>;
}

/** The guards of transactions that are ours, and short. */
export const ownGuards: Guards = {
  locksKeysFirst: true,
  count: async (session, kind, wanted) => {
    const tenants = [...wanted.keys()];
    await session.run(lockStatement, [kind, JSON.stringify(tenants)]);
    const [only] = tenants;
    if (only !== undefined && tenants.length === 1) {
      const { seen, waiting } = await counted(session, kind, only);
      return new Map([[only, seen + waiting]]);
    }
    const rows = await session.run(countManyStatements[kind], [JSON.stringify(tenants)]);
    const counts = new Map(rows.map((row): [TenantId, number] => [row["tenant"], row["count"]]));
    return new Map(tenants.map((tenant) => [tenant, counts.get(tenant) ?? 0]));
  },
};

/** The guards of a caller's transaction; `aside` runs transactions of our own beside it. */
export function joinedGuards(aside: Connections | undefined): Guards {
  // With a single connection nobody else is at work meanwhile.
  if (aside === undefined) return ownGuards;
  return {
    locksKeysFirst: false,
    count: async (session, kind, wanted) => {
      const [row] = await session.run(transactionStatement);
      const xact: string = row?.["xact"];
      const counts = new Map<TenantId, number>();
      for (const [tenant, more] of wanted) {
        const others = await aside.transaction(async (beside) => {
          await beside.run(lockStatement, [kind, JSON.stringify([tenant])]);
          await beside.run(sweepStatement, [tenant, kind]);
          const found = await counted(beside, kind, tenant, xact);
          await beside.run(reserveStatement, [tenant, kind, xact, more]);
          return found;
        });
        // With an old snapshot it sees its own rows and not what others have committed since.
        const isOld = row?.["isolation"] !== "read committed";
        const seen = isOld ? others.seen + others.own : (await counted(session, kind, tenant)).seen;
        counts.set(tenant, seen + others.waiting);
      }
      return counts;
    },
  };
}

interface Counted {
  readonly seen: number;
  readonly waiting: number;
  readonly own: number;
}

async function counted(session: Session, kind: CountKind, tenant: TenantId, xact?: string): Promise<Counted> {
  const [row] = await session.run(countStatements[kind], [tenant, kind, xact ?? null]);
  return row as Counted;
}
