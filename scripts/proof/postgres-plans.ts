// Proof that a claim reads what it takes and no more: with a million pending and a million deferred jobs, the plans of the
// claim statements, and of the completion of a claim, scan the table of jobs by its indexes alone, and touch few rows beyond those that are claimed.
// Usage: node --conditions=source scripts/proof/postgres-plans.ts [--jobs 1000000] [--limit 400] [--version 15]
import { parseArgs } from "node:util";
import { Client } from "pg";
import { ofClaimStatement } from "../../src/engines/postgres/completing.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { sessionSettings } from "../../src/engines/postgres/pool.ts";
import { fullStatement, onwardStatement } from "../../src/engines/postgres/straight-statements.ts";
import { startPostgres } from "../services/postgres.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    jobs: { type: "string", default: "1000000" },
    limit: { type: "string", default: "400" },
    version: { type: "string", default: "15" },
  },
});
const jobs = Number(flags.jobs);
const limit = Number(flags.limit);

/** Of a scan of the jobs, so many rows for each that is claimed may be touched: it is found, locked and changed. */
const touchesMax = 4;

const fill = `
INSERT INTO punctual.lanes (queue, tenant) VALUES ('default', 'default');
INSERT INTO punctual.jobs (id, tenant, queue, task, input, priority, place, due_at, created_at, attempt)
SELECT gen_random_uuid(), 'default', 'default', 'noop', '{"sequence":' || n || '}', 5, 'ready', 1700000000000 + n, 1700000000000, 0
FROM generate_series(1, $JOBS) AS n;
INSERT INTO punctual.jobs (id, tenant, queue, task, input, priority, place, due_at, created_at, attempt)
SELECT gen_random_uuid(), 'default', 'default', 'noop', '{}', 5, 'deferred', 4000000000000 + n, 1700000000000, 0
FROM generate_series(1, $JOBS) AS n;
INSERT INTO punctual.lane_deltas (queue, tenant, ready, deferred) VALUES ('default', 'default', $JOBS, $JOBS)`;

/** What is read of a plan's node. */
interface Node {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Node[];
}

/** The scans of the table of jobs. */
function scansOf(node: Node): Node[] {
  const own = node["Relation Name"] === "jobs" && node["Node Type"].includes("Scan") ? [node] : [];
  return [...own, ...(node.Plans ?? []).flatMap(scansOf)];
}

/** A bitmap reads what its index has found. */
function isByIndex({ "Node Type": type }: Node): boolean {
  return ["Index Scan", "Index Only Scan", "Tid Scan", "Bitmap Heap Scan"].includes(type);
}

const verdict = new Verdict();
const server = await startPostgres({ version: flags.version === "18" ? 18 : 15 });
const url = await server.newDatabase();
const engine = postgres(url);
await engine.open();
const client = new Client({ connectionString: url });
await client.connect();
for (const statement of fill.replaceAll("$JOBS", String(jobs)).split(";")) await client.query(statement);

/** A value as it stands in a statement. */
function literal(value: string | number | boolean | null): string {
  return typeof value === "string" ? `'${value}'` : String(value);
}

type Values = readonly (string | number | boolean | null)[];

const token = "0123456789abcdef";
const claimValues = [null, "default", limit, 10_000_000, token, "worker", 30_000, 10];
const middle = jobs / 2;

/** Every job of a claim of the first ones, of which the newest hundred are kept. */
function completionValues(): Values {
  const seqs = Array.from({ length: limit }, (_, index) => index + 1);
  const kept = seqs.slice(-100);
  const list = (values: readonly unknown[]) => `{${values.join(",")}}`;
  const [ages, details] = [kept.map(() => 86_400_000), kept.map(() => "NULL")];
  return [null, list(seqs), token, 1, list(kept), list(ages), list(details), limit, null, null];
}

const statements = [
  ["claim from the beginning", fullStatement, [...claimValues, false], []],
  ["claim behind a mark", onwardStatement, [...claimValues, 5, 1_700_000_000_000 + middle, middle], []],
  ["completions of a claim", ofClaimStatement, completionValues(), [fullStatement, [...claimValues, false]]],
] as const;

for (const [analyzed, plans] of [
  [false, "a table that grew at once: no statistics"],
  [true, "with statistics"],
] as const) {
  if (analyzed) await client.query("ANALYZE punctual.jobs");
  for (const kept of [false, true]) {
    const when = `${plans}, ${kept ? "planned once, as our connections do" : "planned for its values, settings as they come"}`;
    for (const [name, text, values, [before, beforeValues]] of statements) {
      await client.query("BEGIN");
      if (before !== undefined) await client.query(before, [...(beforeValues ?? [])]);
      if (kept) await client.query(`${sessionSettings}; PREPARE kept AS ${text}`);
      const { rows } = kept
        ? await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE kept (${values.map(literal).join(", ")})`)
        : await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, [...values]);
      await client.query("ROLLBACK");
      if (kept) await client.query("DEALLOCATE kept");
      const [{ Plan: plan, "Execution Time": ms }] = rows[0]["QUERY PLAN"];
      console.log(`\n${name}, ${jobs.toLocaleString("en")} pending and as many deferred, ${when}: ${ms.toFixed(1)} ms`);
      let touched = 0;
      for (const scan of scansOf(plan)) {
        const read = (scan["Actual Rows"] + (scan["Rows Removed by Filter"] ?? 0)) * scan["Actual Loops"];
        touched += read;
        verdict.figure(`${scan["Node Type"]} ${scan["Index Name"] ?? ""}`, `${Math.round(read)} rows`);
        verdict.require(isByIndex(scan), `${name}, ${when}: the jobs are read by a ${scan["Node Type"]}`);
      }
      verdict.figure("rows touched for each job", (touched / limit).toFixed(2));
      verdict.require(
        touched >= limit && touched <= touchesMax * limit,
        `${name}, ${when}: ${touched} rows are touched`,
      );
    }
  }
}
await client.end();
await engine.close();
await server.close();
verdict.conclude("postgres-plans");
