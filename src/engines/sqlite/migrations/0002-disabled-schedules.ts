// Compatible additions: versions that know only the first step serve the store as before.
import type { Migration } from "./migration.ts";

export const disabledSchedules: Migration = {
  id: 2,
  name: "disabled-schedules",
  breaking: false,
  sql: `
-- The few schedules that do not fire, among however many that do.
CREATE INDEX punctual_schedules_disabled ON punctual_schedules (tenant, id) WHERE enabled = 0;
`,
};
