// Makes the dump of a PostgreSQL store as a step of the schema leaves it, filled with something of everything. A dump is
// made once, with the step, and never again: `node --conditions=source test/upgrade/postgres/make.ts`.
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { fillStore } from "../../../scripts/proof/filled-store.ts";
import { startPostgres } from "../../../scripts/services/postgres.ts";
import { postgresBinaries } from "../../../scripts/services/postgres-binaries.ts";
import type { Engine } from "../../../src/core/engine.ts";
import { postgres } from "../../../src/engines/postgres/index.ts";
import { migrations, stepOf } from "../../../src/engines/postgres/migrations/migrate.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const binaries = await postgresBinaries(15);
const server = await startPostgres({ version: 15, durable: false });
try {
  const full = await server.newDatabase();
  const engine = postgres(full);
  await engine.open();
  await fillStore(engine as unknown as Engine, { jobs: 80, schedules: 12 });
  await engine.close();
  const rows = dumpOf(full, "--data-only", "--exclude-table=punctual.migrations");
  for (const { id, name } of migrations) {
    const file = join(folder, `${String(id).padStart(4, "0")}-${name}.sql`);
    if (existsSync(file)) continue;
    const url = await server.newDatabase();
    const client = new Client({ connectionString: url });
    await client.connect();
    for (const step of migrations) if (step.id <= id) await client.query(stepOf(step, "punctual").sql);
    await client.query(rows);
    await client.end();
    writeFileSync(file, dumpOf(url, "--schema=punctual"));
    console.log(file);
  }
} finally {
  await server.close();
}

/** A dump that any client can run; psql's own commands are left out. */
function dumpOf(url: string, ...options: readonly string[]): string {
  const program = join(binaries, "pg_dump");
  const text = execFileSync(program, [...options, "--rows-per-insert=100", url], { encoding: "utf8", maxBuffer: 1e8 });
  return text
    .split("\n")
    .filter((line) => !line.startsWith("\\") && !line.startsWith("--") && line.trim() !== "")
    .join("\n");
}
