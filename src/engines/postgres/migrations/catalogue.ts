// What a schema consists of, as the server's catalogue tells it: each part as a text that is the same in every schema.
import type { Session } from "../connections.ts";

/** One part: a table, or something of a table. */
export interface Part {
  readonly table: string;
  readonly kind:
    | "table"
    | "column"
    | "index"
    | "constraint"
    | "policy"
    | "trigger"
    | "view"
    | "function"
    | "sequence"
    | "grant";
  readonly name: string;
  /** All else about it, to be compared. */
  readonly text: string;
  /** Whether one that nobody has made for us is in our way. */
  readonly strict: boolean;
}

// Texts that the server gives name the schema, or not, as the search path has it: it is taken out of all of them.
const bare = (text: string) => `replace(replace(${text}, quote_ident(n.nspname) || '.', ''), 'pg_temp.', '')`;

const ours = "FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid";

const partsStatement = `-- migrations.parts
SELECT c.relname::text AS of_table, 'table' AS kind, c.relname::text AS name, false AS strict,
  'row security ' || CASE WHEN NOT c.relrowsecurity THEN 'off' WHEN c.relforcerowsecurity THEN 'forced' ELSE 'not forced' END
    AS text
  ${ours} WHERE n.oid = $1::oid AND c.relkind IN ('r', 'p')
UNION ALL
SELECT c.relname, 'column', a.attname, true, format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || quote_ident(o.collname) ELSE '' END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN a.attidentity <> '' THEN ' GENERATED AS IDENTITY' WHEN a.attgenerated <> '' THEN ' GENERATED' ELSE '' END
    || coalesce(' DEFAULT ' || ${bare("pg_get_expr(d.adbin, d.adrelid)")}, '')
  ${ours} JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_collation AS o ON o.oid = a.attcollation
  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE n.oid = $1::oid AND c.relkind IN ('r', 'p')
UNION ALL
SELECT c.relname, 'index', x.relname, i.indisunique, ${bare("pg_get_indexdef(i.indexrelid)")}
    || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
  ${ours} JOIN pg_index AS i ON i.indrelid = c.oid JOIN pg_class AS x ON x.oid = i.indexrelid WHERE n.oid = $1::oid
UNION ALL
SELECT c.relname, 'constraint', k.conname, true, ${bare("pg_get_constraintdef(k.oid)")}
  ${ours} JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype <> 'n' WHERE n.oid = $1::oid
UNION ALL
SELECT c.relname, 'policy', p.polname, NOT EXISTS (
      SELECT 1 FROM pg_roles AS r WHERE p.polname IN ('master', 'worker') AND r.rolname = 'punctual_' || p.polname
        AND p.polroles = ARRAY[r.oid]
    ), CASE WHEN p.polroles = '{0}' THEN 'for everybody ' ELSE '' END || p.polcmd::text || ' ' || p.polpermissive::text
    || coalesce(' USING ' || pg_get_expr(p.polqual, p.polrelid), '')
    || coalesce(' CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
  ${ours} JOIN pg_policy AS p ON p.polrelid = c.oid WHERE n.oid = $1::oid
UNION ALL
SELECT c.relname, 'grant', a.privilege_type || ' to PUBLIC', true, ''
  ${ours} CROSS JOIN aclexplode(c.relacl) AS a WHERE n.oid = $1::oid AND c.relkind IN ('r', 'p') AND a.grantee = 0
UNION ALL
SELECT c.relname, 'trigger', g.tgname, true, ${bare("pg_get_triggerdef(g.oid)")}
  ${ours} JOIN pg_trigger AS g ON g.tgrelid = c.oid AND NOT g.tgisinternal WHERE n.oid = $1::oid
UNION ALL
SELECT c.relname, 'view', c.relname, false, ${bare("pg_get_viewdef(c.oid)")} || coalesce(array_to_string(c.reloptions, ','), '')
  ${ours} WHERE n.oid = $1::oid AND c.relkind = 'v'
UNION ALL
SELECT c.relname, 'sequence', c.relname, false, '' ${ours} WHERE n.oid = $1::oid AND c.relkind = 'S'
UNION ALL
SELECT f.proname, 'function', f.proname, false, f.prosrc
  FROM pg_namespace AS n JOIN pg_proc AS f ON f.pronamespace = n.oid WHERE n.oid = $1::oid
ORDER BY 1, 2, 3`;

const schemaStatement = "-- migrations.schemaId\nSELECT oid::text AS oid FROM pg_namespace WHERE nspname = $1";
const temporaryStatement = "-- migrations.temporary\nSELECT pg_my_temp_schema()::text AS oid";

/** The parts of a schema; of the session's temporary one where no name is given. */
export async function readParts(session: Session, schema?: string): Promise<Part[]> {
  const [found] =
    schema === undefined ? await session.run(temporaryStatement) : await session.run(schemaStatement, [schema]);
  if (found === undefined) return [];
  const rows = await session.run(partsStatement, [found["oid"]]);
  return rows.map((row) => ({
    table: row["of_table"],
    kind: row["kind"],
    name: row["name"],
    text: row["text"].replace(/\s+/g, " ").trim(),
    strict: row["strict"],
  }));
}
