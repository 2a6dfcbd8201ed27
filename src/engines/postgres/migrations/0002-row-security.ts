// Row-level security (N3), on every table and for the owner too. A role that is not named here sees the rows of the
// tenant that its transaction has set, none when it has set none: `SELECT set_config('punctual.tenant', 'acme', true)`.
// The owner, punctual_master and punctual_worker see every row. Policies without a condition cost their roles nothing.
import type { Migration } from "./migration.ts";

const setTenant = "nullif(current_setting('punctual.tenant', true), '')";

/** Tables whose rows belong to tenants. */
const tenantTables = [
  "jobs",
  "claims",
  "finished",
  "lanes",
  "lane_deltas",
  "reservations",
  "schedules",
  "idempotency",
  "events",
];

/** What a tenant may read of the others. The mark of an unfinished copy is to be seen by everyone. */
const readable: Readonly<Record<string, string>> = {
  tenants: `id = ${setTenant}`,
  queues: `${setTenant} IS NOT NULL`,
  records: "key = 'punctual/copy'",
  migrations: "true",
};

const tables = [...tenantTables, ...Object.keys(readable)];

function policiesOf(table: string): string {
  const ours = readable[table];
  const tenant = ours === undefined ? `USING (tenant = ${setTenant})` : `FOR SELECT USING (${ours})`;
  return `ALTER TABLE punctual.${table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.${table} FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON punctual.${table} TO CURRENT_USER USING (true);
CREATE POLICY tenant ON punctual.${table} ${tenant};`;
}

/** The roles, as far as whoever migrates may make them; else somebody who may runs this, and `punctual migrate` again. */
const createRoles = `DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['punctual_app', 'punctual_master', 'punctual_worker'] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    EXCEPTION
      WHEN insufficient_privilege THEN RAISE NOTICE 'no right to create the role %', wanted;
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;`;

const all = "SELECT, INSERT, UPDATE, DELETE";

/** What each role may do with each table, beside what the policies say of the rows. */
const grants: Readonly<Record<string, readonly string[]>> = {
  punctual_app: [
    ...tenantTables.filter((table) => table !== "events").map((table) => `${all} ON punctual.${table}`),
    "SELECT, INSERT, UPDATE (id) ON punctual.events",
    ...Object.keys(readable).map((table) => `SELECT ON punctual.${table}`),
  ],
  punctual_worker: [
    ...tenantTables.map((table) => `${all} ON punctual.${table}`),
    `${all} ON punctual.records`,
    // What a claim counts; limits are for others to set.
    "SELECT, UPDATE (rate_window) ON punctual.queues",
    "SELECT, UPDATE (rate_window, blocked_until, passed_over) ON punctual.tenants",
    "SELECT ON punctual.migrations",
  ],
  punctual_master: [
    ...tables.filter((table) => table !== "migrations").map((table) => `${all} ON punctual.${table}`),
    "SELECT ON punctual.migrations",
  ],
};

function grantsOf(role: string): string {
  const given = [
    "USAGE ON SCHEMA punctual",
    // A copy sets them, too.
    `USAGE${role === "punctual_master" ? ", SELECT, UPDATE" : ""} ON SEQUENCE punctual.jobs_seq, punctual.events_id`,
    ...(grants[role] ?? []),
  ];
  return `DO $$
DECLARE made text;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
${given.map((what) => `    GRANT ${what} TO ${role};`).join("\n")}${role === "punctual_app" ? "" : policiesFor(role)}
  END IF;
END $$;`;
}

function policiesFor(role: string): string {
  const name = role.replace("punctual_", "");
  return `
    FOREACH made IN ARRAY ARRAY[${tables.map((table) => `'${table}'`).join(", ")}] LOOP
      IF NOT EXISTS (SELECT FROM pg_policy WHERE polname = '${name}' AND polrelid = ('punctual.' || made)::regclass) THEN
        EXECUTE format('CREATE POLICY ${name} ON punctual.%I TO ${role} USING (true)', made);
      END IF;
    END LOOP;`;
}

export const rowSecurity: Migration = {
  id: 2,
  name: "row-security",
  breaking: false,
  sql: tables.map(policiesOf).join("\n"),
  roles: [createRoles, ...Object.keys(grants).map(grantsOf)].join("\n"),
};
