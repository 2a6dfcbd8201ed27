// The conformance suite on the PostgreSQL engine behind PgBouncer in transaction mode. No notification comes through it:
// engines there promise polling, which is what is checked; test/postgres/pooler.test.ts checks what they send.
import { afterAll } from "vitest";
import { type PostgresOptions, postgres } from "../../src/engines/postgres/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedPooledPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

function open(url: string, options: PostgresOptions) {
  const { watch: _, capabilities, ...engine } = postgres(url, { listen: false, ...options });
  return { ...engine, capabilities: { ...capabilities, push: false } };
}

const databases = new Databases({ open }, () => sharedPooledPostgres(15));

afterAll(() => databases.close());

runSuite("postgres 15, behind a pooler", () => databases.open());
