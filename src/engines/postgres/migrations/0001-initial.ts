// The first schema. Everything lies in one PostgreSQL schema, so no name is prefixed. Instants are milliseconds since
// 1970; text is compared by its bytes.
import type { Migration } from "./migration.ts";

export const initial: Migration = {
  id: 1,
  name: "initial",
  breaking: true,
  sql: `
CREATE SEQUENCE punctual.jobs_seq;

-- Pending and active jobs: the hot table. place: ready (due), deferred (not yet), held (a key's successor), active.
-- fresh_until: the end of a lease whose job lies among the ready ones as it did before its claim; it may be in no index,
-- and more than half of each page is left free, so that such a claim writes to none. detail is JSON of what most jobs do not have,
-- NULL when empty.
CREATE TABLE punctual.jobs (
  seq bigint NOT NULL DEFAULT nextval('punctual.jobs_seq'),
  due_at bigint NOT NULL,
  created_at bigint NOT NULL,
  claimed_at bigint,
  lease_until bigint,
  fresh_until bigint,
  attempt integer NOT NULL,
  priority smallint NOT NULL,
  started boolean,
  cancel_requested boolean,
  id uuid NOT NULL,
  replaced_by uuid,
  tenant text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  place text COLLATE "C" NOT NULL,
  token text COLLATE "C",
  worker text COLLATE "C",
  key text COLLATE "C",
  schedule text COLLATE "C",
  incarnation text COLLATE "C",
  input text NOT NULL,
  detail text,
  CONSTRAINT jobs_pkey PRIMARY KEY (seq)
) WITH (
  fillfactor = 40,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0
);
CREATE UNIQUE INDEX jobs_id ON punctual.jobs (id);
CREATE INDEX jobs_ready ON punctual.jobs (queue, tenant, priority, due_at, seq) WHERE place = 'ready';
CREATE INDEX jobs_deferred ON punctual.jobs (queue, due_at, seq) WHERE place = 'deferred';
CREATE INDEX jobs_active ON punctual.jobs (queue, lease_until, seq) WHERE place = 'active';
CREATE UNIQUE INDEX jobs_key ON punctual.jobs (tenant, queue, key, (place = 'held')) WHERE key IS NOT NULL;
CREATE INDEX jobs_incarnation ON punctual.jobs (incarnation) WHERE incarnation IS NOT NULL;
CREATE INDEX jobs_replaced_by ON punctual.jobs (replaced_by) WHERE replaced_by IS NOT NULL;

-- Where the jobs with fresh leases are: a row for each claim that gave some. It may outlive them.
CREATE TABLE punctual.claims (
  ends_at bigint NOT NULL,
  queue text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  token text COLLATE "C" NOT NULL,
  jobs bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
-- Packing the lists takes longer than it saves.
ALTER TABLE punctual.claims ALTER COLUMN jobs SET STORAGE EXTERNAL;
CREATE INDEX claims_ends ON punctual.claims (queue, ends_at);

-- Jobs that have ended, as long as retention keeps them; place is their state.
CREATE TABLE punctual.finished (
  seq bigint NOT NULL,
  due_at bigint NOT NULL,
  created_at bigint NOT NULL,
  finished_at bigint NOT NULL,
  expires_at bigint,
  attempt integer NOT NULL,
  priority smallint NOT NULL,
  cancel_requested boolean,
  id uuid NOT NULL,
  replaced_by uuid,
  tenant text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  place text COLLATE "C" NOT NULL,
  token text COLLATE "C",
  key text COLLATE "C",
  schedule text COLLATE "C",
  incarnation text COLLATE "C",
  input text NOT NULL,
  detail text,
  CONSTRAINT finished_pkey PRIMARY KEY (seq)
) WITH (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
CREATE UNIQUE INDEX finished_id ON punctual.finished (id);
CREATE INDEX finished_completed ON punctual.finished (queue, finished_at, seq) WHERE place = 'completed';
CREATE INDEX finished_ended ON punctual.finished (queue, finished_at, seq) WHERE place <> 'completed';
CREATE INDEX finished_expires ON punctual.finished (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX finished_replaced_by ON punctual.finished (replaced_by) WHERE replaced_by IS NOT NULL;

-- A tenant's jobs in a queue: counters, as far as they are folded, and the lane's place in the fair share.
CREATE TABLE punctual.lanes (
  lane bigint GENERATED ALWAYS AS IDENTITY,
  queue text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  ready bigint NOT NULL DEFAULT 0,
  deferred bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0,
  active bigint NOT NULL DEFAULT 0,
  completed bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  cancelled bigint NOT NULL DEFAULT 0,
  completed_total bigint NOT NULL DEFAULT 0,
  failed_total bigint NOT NULL DEFAULT 0,
  cancelled_total bigint NOT NULL DEFAULT 0,
  listed boolean NOT NULL DEFAULT false,
  pass double precision NOT NULL DEFAULT 0,
  weight double precision NOT NULL DEFAULT 1,
  CONSTRAINT lanes_pkey PRIMARY KEY (queue, tenant)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lanes_listed ON punctual.lanes (queue, listed, pass, lane);
CREATE INDEX lanes_tenant ON punctual.lanes (tenant);

-- What calls have changed in the counters: rows are only added, so that nobody waits for anybody, and folded into lanes.
CREATE TABLE punctual.lane_deltas (
  queue text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  ready integer NOT NULL DEFAULT 0,
  deferred integer NOT NULL DEFAULT 0,
  held integer NOT NULL DEFAULT 0,
  active integer NOT NULL DEFAULT 0,
  completed integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  cancelled integer NOT NULL DEFAULT 0,
  completed_total integer NOT NULL DEFAULT 0,
  failed_total integer NOT NULL DEFAULT 0,
  cancelled_total integer NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- A table without a key that someone replicates takes deletions only with this.
ALTER TABLE punctual.claims REPLICA IDENTITY FULL;
ALTER TABLE punctual.lane_deltas REPLICA IDENTITY FULL;

-- A queue that was paused or limited once. limited: it has a concurrency or a rate.
CREATE TABLE punctual.queues (
  name text COLLATE "C" NOT NULL,
  paused boolean NOT NULL,
  concurrency integer,
  rate text,
  rate_window text,
  limited boolean NOT NULL GENERATED ALWAYS AS (concurrency IS NOT NULL OR rate IS NOT NULL) STORED,
  CONSTRAINT queues_pkey PRIMARY KEY (name)
);

-- Tenants with limits or a share of their own. rate, rate_window and guardrails are JSON. limited: it has a concurrency
-- or a rate. blocked_until: its rate is used up until then. passed_over: its limit was reached.
CREATE TABLE punctual.tenants (
  id text COLLATE "C" NOT NULL,
  weight double precision NOT NULL,
  concurrency integer,
  rate text,
  rate_window text,
  guardrails text,
  limited boolean NOT NULL,
  blocked_until bigint,
  passed_over boolean NOT NULL,
  CONSTRAINT tenants_pkey PRIMARY KEY (id)
);
CREATE INDEX tenants_limited ON punctual.tenants (id) WHERE limited;
CREATE INDEX tenants_blocked ON punctual.tenants (blocked_until) WHERE blocked_until IS NOT NULL;

-- What a transaction that is still open is about to add to what a tenant's limit counts (jobs, schedules); rows of
-- decided transactions count for nothing and are swept.
CREATE TABLE punctual.reservations (
  tenant text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  xact xid8 NOT NULL,
  count integer NOT NULL
);
ALTER TABLE punctual.reservations REPLICA IDENTITY FULL;
CREATE INDEX reservations_tenant ON punctual.reservations (tenant, kind);

-- Whole schedules as JSON, beside the columns that are searched or compared.
CREATE TABLE punctual.schedules (
  tenant text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  incarnation text COLLATE "C" NOT NULL,
  revision integer NOT NULL,
  task text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  enabled boolean NOT NULL,
  cursor_after bigint NOT NULL,
  next_at bigint,
  schedule text NOT NULL,
  CONSTRAINT schedules_pkey PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX schedules_due ON punctual.schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_active ON punctual.schedules (tenant) WHERE enabled AND next_at IS NOT NULL;
CREATE INDEX schedules_disabled ON punctual.schedules (tenant, id) WHERE NOT enabled;

CREATE TABLE punctual.idempotency (
  tenant text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  body text NOT NULL,
  job uuid NOT NULL,
  due_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_expires ON punctual.idempotency (expires_at);

CREATE TABLE punctual.records (
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  revision integer NOT NULL,
  expires_at bigint,
  CONSTRAINT records_pkey PRIMARY KEY (key)
);
CREATE INDEX records_expires ON punctual.records (expires_at) WHERE expires_at IS NOT NULL;

-- The audit log. arrival: the order in which events were written; id: the order in which they are seen, given once they
-- are committed, so that no event is ever listed behind one that was listed before.
CREATE SEQUENCE punctual.events_id;
CREATE TABLE punctual.events (
  arrival bigint GENERATED ALWAYS AS IDENTITY,
  id bigint,
  at bigint NOT NULL,
  job uuid,
  type text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  schedule text COLLATE "C",
  queue text COLLATE "C",
  actor text COLLATE "C",
  data text,
  CONSTRAINT events_pkey PRIMARY KEY (arrival)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX events_seen ON punctual.events (id) WHERE id IS NOT NULL;
CREATE INDEX events_new ON punctual.events (arrival) WHERE id IS NULL;
CREATE INDEX events_at ON punctual.events (at);
CREATE INDEX events_job ON punctual.events (job) WHERE job IS NOT NULL;
CREATE INDEX events_schedule ON punctual.events (tenant, schedule, id) WHERE schedule IS NOT NULL;
`,
};
