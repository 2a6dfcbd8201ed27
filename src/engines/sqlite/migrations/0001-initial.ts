// The first schema. Every name begins with `punctual_`, as the file may be shared with the user's own tables.
import type { Migration } from "./migration.ts";

export const initial: Migration = {
  id: 1,
  name: "initial",
  breaking: true,
  sql: `
-- Pending and active jobs. place: ready (due), deferred (not yet), held (a key's successor), active. due_at and the
-- other instants are milliseconds since 1970; detail is JSON of what most jobs do not have, NULL when empty.
CREATE TABLE punctual_jobs (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  queue TEXT NOT NULL,
  task TEXT NOT NULL,
  input TEXT NOT NULL,
  priority INTEGER NOT NULL,
  place TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  key TEXT,
  schedule TEXT,
  incarnation TEXT,
  token TEXT,
  worker TEXT,
  claimed_at INTEGER,
  lease_until INTEGER,
  started INTEGER,
  cancel_requested INTEGER,
  replaced_by BLOB,
  detail TEXT
);
CREATE INDEX punctual_jobs_ready ON punctual_jobs (queue, tenant, priority, due_at, seq) WHERE place = 'ready';
CREATE INDEX punctual_jobs_deferred ON punctual_jobs (queue, due_at, seq) WHERE place = 'deferred';
CREATE INDEX punctual_jobs_active ON punctual_jobs (queue, lease_until, seq) WHERE place = 'active';
CREATE UNIQUE INDEX punctual_jobs_key ON punctual_jobs (tenant, queue, key, (place = 'held')) WHERE key IS NOT NULL;
CREATE INDEX punctual_jobs_incarnation ON punctual_jobs (incarnation) WHERE incarnation IS NOT NULL;
CREATE INDEX punctual_jobs_replaced_by ON punctual_jobs (replaced_by) WHERE replaced_by IS NOT NULL;

-- Jobs that have ended, as long as retention keeps them; place is their state.
CREATE TABLE punctual_finished (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  queue TEXT NOT NULL,
  task TEXT NOT NULL,
  input TEXT NOT NULL,
  priority INTEGER NOT NULL,
  place TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  key TEXT,
  schedule TEXT,
  incarnation TEXT,
  token TEXT,
  cancel_requested INTEGER,
  replaced_by BLOB,
  finished_at INTEGER NOT NULL,
  expires_at INTEGER,
  detail TEXT
);
CREATE INDEX punctual_finished_completed ON punctual_finished (queue, finished_at, seq) WHERE place = 'completed';
CREATE INDEX punctual_finished_ended ON punctual_finished (queue, finished_at, seq) WHERE place <> 'completed';
CREATE INDEX punctual_finished_expires ON punctual_finished (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX punctual_finished_replaced_by ON punctual_finished (replaced_by) WHERE replaced_by IS NOT NULL;

-- Counters of each tenant's jobs in each queue, and the lane's place in the fair share. listed: it has ready jobs; apart
-- from ready, so that counting touches no index.
CREATE TABLE punctual_lanes (
  lane INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  tenant TEXT NOT NULL,
  ready INTEGER NOT NULL,
  deferred INTEGER NOT NULL,
  held INTEGER NOT NULL,
  active INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  completed_total INTEGER NOT NULL,
  failed_total INTEGER NOT NULL,
  cancelled_total INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  pass REAL NOT NULL,
  weight REAL NOT NULL,
  UNIQUE (queue, tenant)
);
CREATE INDEX punctual_lanes_ready ON punctual_lanes (queue, pass, lane) WHERE listed = 1;
CREATE INDEX punctual_lanes_pass ON punctual_lanes (queue, pass);
CREATE INDEX punctual_lanes_tenant ON punctual_lanes (tenant);

CREATE TABLE punctual_queues (
  name TEXT PRIMARY KEY,
  paused INTEGER NOT NULL,
  concurrency INTEGER,
  rate TEXT,
  rate_window TEXT
) WITHOUT ROWID;

-- Whole schedules as JSON, beside the columns that are searched or compared.
CREATE TABLE punctual_schedules (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  revision INTEGER NOT NULL,
  task TEXT NOT NULL,
  queue TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  cursor_after INTEGER NOT NULL,
  next_at INTEGER,
  schedule TEXT NOT NULL,
  UNIQUE (tenant, id)
);
CREATE INDEX punctual_schedules_due ON punctual_schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX punctual_schedules_enabled ON punctual_schedules (tenant) WHERE enabled = 1;

CREATE TABLE punctual_idempotency (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  job BLOB NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX punctual_idempotency_expires ON punctual_idempotency (expires_at);

CREATE TABLE punctual_records (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  revision INTEGER NOT NULL,
  expires_at INTEGER
) WITHOUT ROWID;
CREATE INDEX punctual_records_expires ON punctual_records (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE punctual_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  job BLOB,
  schedule TEXT,
  queue TEXT,
  actor TEXT,
  data TEXT
);
CREATE INDEX punctual_events_at ON punctual_events (at);
CREATE INDEX punctual_events_job ON punctual_events (job) WHERE job IS NOT NULL;
CREATE INDEX punctual_events_schedule ON punctual_events (tenant, schedule) WHERE schedule IS NOT NULL;
`,
};
