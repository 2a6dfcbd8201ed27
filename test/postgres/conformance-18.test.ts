// The conformance suite on the PostgreSQL engine: a pool on PostgreSQL 18, two handles in one process.
import { afterAll } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  const url = await sharedPostgres(18);
  return { url, directUrl: url };
});

afterAll(() => databases.close());

runSuite("postgres 18, a pool", () => databases.open());
