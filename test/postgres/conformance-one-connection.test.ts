// The conformance suite on the PostgreSQL engine with pools of the user's that have one connection each: no call may need a
// second one, and none is left to listen.
import { Pool } from "pg";
import { afterAll } from "vitest";
import { type PostgresOptions, postgres } from "../../src/engines/postgres/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

/** A pool that is ended with its engine. */
function open(url: string, options: PostgresOptions) {
  const pool = new Pool({ connectionString: url, max: 1 });
  const { watch: _, capabilities, ...engine } = postgres(pool, options);
  const close = async () => {
    await engine.close();
    await pool.end();
  };
  return { ...engine, close, capabilities: { ...capabilities, push: false } };
}

const databases = new Databases({ open }, async () => {
  const url = await sharedPostgres(15);
  return { url, directUrl: url };
});

afterAll(() => databases.close());

runSuite("postgres 15, one connection", () => databases.open());
