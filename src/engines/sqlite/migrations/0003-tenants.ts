// Compatible additions: versions that do not know of tenants' own limits serve the store as before, and do not keep them.
import type { Migration } from "./migration.ts";

export const tenants: Migration = {
  id: 3,
  name: "tenants",
  breaking: false,
  sql: `
-- Tenants with limits or a share of their own. rate, rate_window and guardrails are JSON, NULL when there are none.
-- limited: it has a concurrency or a rate. blocked_until: its rate is used up until then. passed_over: its limit was
-- reached, so that its lanes re-enter the fair share as lanes that fill do.
CREATE TABLE punctual_tenants (
  id TEXT PRIMARY KEY,
  weight INTEGER NOT NULL,
  concurrency INTEGER,
  rate TEXT,
  rate_window TEXT,
  guardrails TEXT,
  limited INTEGER NOT NULL,
  blocked_until INTEGER,
  passed_over INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX punctual_tenants_limited ON punctual_tenants (id) WHERE limited = 1;
CREATE INDEX punctual_tenants_blocked ON punctual_tenants (blocked_until) WHERE blocked_until IS NOT NULL;
`,
};
