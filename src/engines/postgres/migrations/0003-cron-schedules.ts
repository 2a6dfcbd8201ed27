// The view `cron_schedules` (A14), for programs that read schedules with SQL. It shows whoever asks the rows that the
// table shows them.
import type { Migration } from "./migration.ts";

/** A part of the schedule's JSON as an instant. */
function instant(name: string): string {
  return `punctual.readable_instant(read.whole -> '${name}')`;
}

export const cronSchedules: Migration = {
  id: 3,
  name: "cron-schedules",
  breaking: false,
  sql: `
-- A text as JSON; NULL for one that is none, so that a damaged row hides no other.
CREATE FUNCTION punctual.readable_json(given text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $json$
BEGIN
  RETURN given::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $json$;

-- Milliseconds since 1970 as an instant; NULL for what is none, or of no year from 1 to 9999.
CREATE FUNCTION punctual.readable_instant(given jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $instant$
  SELECT CASE WHEN jsonb_typeof(given) = 'number'
    THEN CASE WHEN given::numeric BETWEEN -62135596800000 AND 253402300799999
      THEN to_timestamp(given::double precision / 1000) END
  END
$instant$;

CREATE VIEW punctual.cron_schedules WITH (security_invoker = true) AS
SELECT
  stored.id,
  coalesce(read.whole #>> '{definition,name}', stored.id) AS name,
  coalesce(about.metadata ->> 'taskGoal', stored.task) AS task_goal,
  read.whole #>> '{definition,rule,expression}' AS cron_expression,
  stored.tenant AS user_id,
  stored.enabled,
  ${instant("lastFiredAt")} AS last_run,
  punctual.readable_instant(to_jsonb(stored.next_at)) AS next_run,
  about.metadata,
  ${instant("createdAt")} AS created_at,
  ${instant("updatedAt")} AS updated_at
FROM punctual.schedules AS stored
CROSS JOIN LATERAL (SELECT punctual.readable_json(stored.schedule) AS whole OFFSET 0) AS read
CROSS JOIN LATERAL (SELECT punctual.readable_json(read.whole #>> '{definition,metadata}') AS metadata OFFSET 0) AS about;
`,
  roles: ["punctual_app", "punctual_worker", "punctual_master"]
    .map(
      (role) => `DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
    GRANT SELECT ON punctual.cron_schedules TO ${role};
    GRANT EXECUTE ON FUNCTION punctual.readable_json(text), punctual.readable_instant(jsonb) TO ${role};
  END IF;
END $$;`,
    )
    .join("\n"),
};
