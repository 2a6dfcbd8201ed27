// What only the server knows of its health: settings, old snapshots, dead rows, indexes, connections, rights. Catalogue and
// statistics only, so that it is quick however much is stored.
import { type Finding, fine } from "../../core/findings.ts";
import type { Session } from "./connections.ts";
import { migrations } from "./migrations/migrate.ts";
import type { Row } from "./sql.ts";

/** Dead rows are worth a word from here on, when they outnumber the living. */
const deadMin = 100_000;
/** Tables and indexes of this size are looked at for their size. */
const bytesMin = 128 * 1024 * 1024;
/** A row holds less in its own page, as what is long is stored apart; so do an index's entries. */
const rowBytesMax = 8 * 1024;
const entryBytesMax = 1024;
/** A transaction that is open for longer holds vacuum back, in s; and then it must end. */
const openSecondsMax = 60;
const openSecondsProblem = 30 * 60;
/** Parts of the connections that are in use. */
const connectionsWarn = 0.8;
const connectionsProblem = 0.95;
/** Transactions since the oldest row was frozen; at two thousand million the server stops. */
const ageWarn = 1_000_000_000;
const ageProblem = 1_600_000_000;

type Check = readonly [string, (session: Session, schema: string) => Promise<Finding[]>];

const ofServers: readonly Check[] = [
  ["settings", settings],
  ["connections", connections],
  ["snapshots", snapshots],
];

/** Looks in order; what cannot be looked at says so by itself. @param isServer false for PGlite, a library */
export async function serverFindings(session: Session, schema: string, isServer: boolean): Promise<Finding[]> {
  const checks: readonly Check[] = [
    ...(isServer ? ofServers : []),
    ["dead rows", deadRows],
    ["indexes", indexes],
    ["transaction ids", transactionIds],
    ["row security", rowSecurity],
  ];
  const found: Finding[] = [];
  for (const [check, look] of checks) {
    try {
      found.push(...(await look(session, schema)));
    } catch (error) {
      const what = `it could not be looked at: ${error instanceof Error ? error.message : String(error)}`;
      found.push({
        check,
        status: "warn",
        what,
        mend: "Let this role read the server's statistics: GRANT pg_monitor.",
      });
    }
  }
  return found;
}

const settingsStatement = `-- findings.settings
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS replica,
  current_setting('transaction_read_only') AS read_only, current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commits,
  current_setting('autovacuum') AS autovacuum, current_setting('track_counts') AS counts,
  pg_size_pretty(pg_database_size(current_database())) AS size`;

async function settings(session: Session): Promise<Finding[]> {
  const [row = {} as Row] = await session.run(settingsStatement);
  const { version, replica, read_only: readOnly, fsync, pages, commits, autovacuum, counts, size } = row;
  const found: Finding[] = [fine("server", `PostgreSQL ${version}, the database holds ${size}`)];
  if (replica === true) {
    const mend = "Name the primary server.";
    return [{ check: "server", status: "problem", what: "this is a replica: nothing can be written", mend }];
  }
  if (readOnly === "on") {
    const what = "default_transaction_read_only is on: nothing can be written";
    const mend = "Turn it off where it was set: ALTER DATABASE or ALTER ROLE name RESET default_transaction_read_only.";
    return [{ check: "server", status: "problem", what, mend }];
  }
  if (fsync === "off" || pages === "off") {
    const what = `fsync is ${fsync}, full_page_writes ${pages}: a power cut may destroy the database`;
    found.push({ check: "settings", status: "problem", what, mend: "Turn both on." });
  } else if (commits === "off") {
    const what = "synchronous_commit is off: a crash of the server loses the last commits";
    found.push({ check: "settings", status: "warn", what, mend: "Turn it on where jobs must not be lost." });
  } else found.push(fine("settings", `synchronous_commit ${commits}: what is committed survives a power cut`));
  if (autovacuum === "off" || counts === "off") {
    const what = `autovacuum is ${autovacuum}, track_counts ${counts}: dead rows stay, and claims get slower and slower`;
    found.push({ check: "autovacuum", status: "problem", what, mend: "Turn both on." });
  }
  return found;
}

const connectionsStatement = `-- findings.connections
SELECT count(*)::int4 AS used,
  (current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4) AS most
FROM pg_stat_activity WHERE backend_type = 'client backend'`;

async function connections(session: Session): Promise<Finding[]> {
  const [row] = await session.run(connectionsStatement);
  const used: number = row?.["used"] ?? 0;
  const most: number = row?.["most"] ?? 1;
  const what = `${used} of ${most} connections are in use`;
  if (used < connectionsWarn * most) return [fine("connections", what)];
  const status = used < connectionsProblem * most ? "warn" : "problem";
  const mend = "Lower poolMax of each process, run fewer, put a pooler in between, or raise max_connections.";
  return [{ check: "connections", status, what, mend }];
}

const snapshotsStatement = `-- findings.snapshots
SELECT what, seconds::float8 AS seconds FROM (
  SELECT 'pid ' || pid || ' (' || coalesce(nullif(application_name, ''), 'no application name') || ', ' || usename || ', '
    || coalesce(state, 'state unknown') || ')' AS what, extract(epoch FROM clock_timestamp() - xact_start) AS seconds
  FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND xact_start IS NOT NULL
    AND backend_type <> 'autovacuum worker'
  UNION ALL
  SELECT 'the prepared transaction ' || gid, extract(epoch FROM clock_timestamp() - prepared)
  FROM pg_prepared_xacts WHERE database = current_database()
) AS open WHERE seconds > $1::float8 ORDER BY seconds DESC LIMIT 5`;

const slotsStatement = `-- findings.slots
SELECT slot_name::text AS slot, age(xmin)::int4 AS age FROM pg_replication_slots
WHERE xmin IS NOT NULL AND age(xmin) > 1000000 ORDER BY 2 DESC LIMIT 5`;

/** @param seconds so long a transaction may be open */
export async function snapshots(session: Session, _schema: string, seconds = openSecondsMax): Promise<Finding[]> {
  const mend =
    "Vacuum cannot remove what died since: end it, SELECT pg_terminate_backend(pid), and see why it stays open.";
  const found = (await session.run(snapshotsStatement, [seconds])).map(
    ({ what, seconds: open }): Finding => ({
      check: "snapshots",
      status: open < openSecondsProblem ? "warn" : "problem",
      what: `a transaction of ${what} is open for ${Math.round(open)} s`,
      mend,
    }),
  );
  for (const { slot, age } of await session.run(slotsStatement)) {
    const what = `the replication slot ${slot} keeps what died in the last ${age} transactions`;
    found.push({ check: "snapshots", status: "warn", what, mend: "Drop the slot if its replica is gone." });
  }
  return found.length > 0 ? found : [fine("snapshots", "no transaction is open for long")];
}

const tablesStatement = `-- findings.tables
SELECT c.relname::text AS name, s.n_live_tup::float8 AS live, s.n_dead_tup::float8 AS dead,
  pg_relation_size(c.oid)::float8 AS bytes, 'autovacuum_enabled=false' = ANY (coalesce(c.reloptions, '{}')) AS unswept,
  coalesce(to_char(greatest(s.last_autovacuum, s.last_vacuum), 'YYYY-MM-DD HH24:MI TZ'), 'never') AS swept
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_stat_all_tables AS s ON s.relid = c.oid WHERE n.nspname = $1 ORDER BY 1`;

async function deadRows(session: Session, schema: string): Promise<Finding[]> {
  const found: Finding[] = [];
  let dead = 0;
  for (const row of await session.run(tablesStatement, [schema])) {
    const table = `${schema}.${row["name"]}`;
    dead += row["dead"];
    if (row["unswept"] === true) {
      const mend = `ALTER TABLE ${table} RESET (autovacuum_enabled);`;
      found.push({ check: "autovacuum", status: "problem", what: `autovacuum is turned off for ${table}`, mend });
    }
    if (row["dead"] > Math.max(deadMin, row["live"])) {
      const what = `${table} has ${row["dead"]} dead rows beside ${row["live"]} living ones; last vacuumed: ${row["swept"]}`;
      const mend =
        "Look for an old transaction (snapshots), or whether autovacuum keeps up: more autovacuum_max_workers.";
      found.push({ check: "dead rows", status: "warn", what, mend });
    } else if (row["bytes"] > bytesMin && row["bytes"] > rowBytesMax * (row["live"] + row["dead"] + 1)) {
      const what = `${table} takes ${megabytes(row["bytes"])} for ${row["live"]} rows: most of its pages are empty`;
      const mend = `They are used again. To give them back, at a quiet time: VACUUM FULL ${table}.`;
      found.push({ check: "bloat", status: "warn", what, mend });
    }
  }
  return found.length > 0 ? found : [fine("dead rows", `${dead} wait for autovacuum, which keeps up`)];
}

const indexesStatement = `-- findings.indexes
SELECT x.relname::text AS name, c.relname::text AS of_table, i.indisvalid AND i.indisready AS valid,
  pg_relation_size(x.oid)::float8 AS bytes, greatest(x.reltuples, 0)::float8 AS entries, s.idx_scan::float8 AS scans
FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_stat_all_indexes AS s ON s.indexrelid = x.oid
WHERE n.nspname = $1 ORDER BY 2, 1`;

const ourIndexes = new Set(
  migrations.flatMap(({ sql }) =>
    [...sql.matchAll(/CREATE (?:UNIQUE )?INDEX (\w+)|CONSTRAINT (\w+)/g)].map(([, index, key]) => index ?? key),
  ),
);

async function indexes(session: Session, schema: string): Promise<Finding[]> {
  const found: Finding[] = [];
  const rows = await session.run(indexesStatement, [schema]);
  for (const { name, of_table: table, valid, bytes, entries, scans } of rows) {
    const again = `REINDEX INDEX CONCURRENTLY ${schema}.${name};`;
    if (valid !== true) {
      const what = `the index ${name} of ${table} is invalid: it is written and never read`;
      found.push({ check: "indexes", status: "problem", what, mend: again });
    } else if (bytes > bytesMin && bytes > entryBytesMax * (entries + 1)) {
      const what = `the index ${name} of ${table} takes ${megabytes(bytes)} for ${entries} entries`;
      found.push({ check: "indexes", status: "warn", what, mend: again });
    } else if (table !== "migrations" && !ourIndexes.has(name)) {
      const what = `the index ${name} of ${table} is not Punctual's and was read ${scans} times: every job pays for it`;
      found.push({
        check: "indexes",
        status: "warn",
        what,
        mend: `Drop it if nothing needs it: DROP INDEX ${schema}.${name};`,
      });
    }
  }
  return found.length > 0 ? found : [fine("indexes", `all ${rows.length} are valid`)];
}

const agesStatement = `-- findings.ages
SELECT age(datfrozenxid)::float8 AS ids, mxid_age(datminmxid)::float8 AS groups
FROM pg_database WHERE datname = current_database()`;

async function transactionIds(session: Session): Promise<Finding[]> {
  const [row] = await session.run(agesStatement);
  const age = Math.max(row?.["ids"] ?? 0, row?.["groups"] ?? 0);
  const what = `the oldest unfrozen row is ${age} transactions old`;
  if (age < ageWarn) return [fine("transaction ids", what)];
  const mend =
    "Autovacuum has fallen behind: look for old transactions and slots, and run VACUUM (FREEZE) on the oldest tables.";
  return [{ check: "transaction ids", status: age < ageProblem ? "warn" : "problem", what, mend }];
}

const rightsStatement = `-- findings.rights
SELECT current_user::text AS role, (SELECT string_agg(wanted || ' on ' || name, ', ' ORDER BY name, wanted) FROM
    unnest(ARRAY['jobs', 'finished', 'lanes', 'lane_deltas', 'schedules', 'idempotency', 'reservations']) AS name,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted
    WHERE NOT has_table_privilege('punctual.' || name, wanted)) AS missing,
  (SELECT string_agg(role, ', ' ORDER BY role) FROM unnest(ARRAY['punctual_app', 'punctual_master', 'punctual_worker']) AS role
    WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role)) AS absent,
  (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles
    WHERE rolname IN ('punctual_app', 'punctual_master', 'punctual_worker')
      AND NOT has_table_privilege(oid, 'punctual.jobs', 'SELECT')) AS ungranted,
  (SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class AS c
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'punctual.jobs'::regclass)
      AND c.relrowsecurity AND c.relforcerowsecurity AND NOT EXISTS (
        SELECT 1 FROM pg_policy AS p, unnest(p.polroles) AS named (role) WHERE p.polrelid = c.oid
          AND CASE WHEN named.role = 0 THEN false ELSE pg_has_role(c.relowner, named.role, 'USAGE') END
      ) AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE oid = c.relowner)) AS blind,
  (SELECT string_agg(DISTINCT m.rolname, ', ') FROM pg_auth_members AS a JOIN pg_roles AS g ON g.oid = a.roleid
    JOIN pg_roles AS m ON m.oid = a.member
    WHERE g.rolname = 'punctual_app' AND NOT a.admin_option AND (m.rolsuper OR m.rolbypassrls)) AS unbound`;

async function rowSecurity(session: Session): Promise<Finding[]> {
  const [row] = await session.run(rightsStatement);
  const { role, missing, absent, ungranted, blind, unbound } = row ?? {};
  const found: Finding[] = [];
  if (missing !== null) {
    const mend = "Make the role a member of punctual_worker or punctual_master, or GRANT it by hand.";
    found.push({ check: "rights", status: "problem", what: `the role ${role} lacks ${missing}`, mend });
  }
  if (blind !== null) {
    const what = `the owner of ${blind} sees none of their rows: the policy "owner" names another role`;
    const mend = "ALTER POLICY owner ON each of them TO the new owner; `punctual migrate` says which tables there are.";
    found.push({ check: "row security", status: "problem", what, mend });
  }
  if (unbound !== null) {
    const what = `${unbound}, of punctual_app, may see the rows of every tenant: a superuser or BYPASSRLS`;
    const mend = "ALTER ROLE name NOSUPERUSER NOBYPASSRLS, or take it out of punctual_app.";
    found.push({ check: "row security", status: "warn", what, mend });
  }
  if (ungranted !== null) {
    const what = `${ungranted} came after the schema, and may do nothing in it yet`;
    found.push({ check: "row security", status: "warn", what, mend: "Run `punctual migrate` as the schema's owner." });
  }
  if (found.length > 0) return found;
  const roles =
    absent === null ? "" : `; the roles ${absent} are not there, which only row-level security by tenant needs`;
  return [fine("rights", `the role ${role} may do all that an engine does${roles}`)];
}

function megabytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
