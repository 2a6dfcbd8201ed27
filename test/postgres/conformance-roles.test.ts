// The conformance suite under row-level security: as the schema's owner, who is no superuser and so bound by the policies.
import { Client } from "pg";
import { afterAll } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { runSuite } from "../engines/run-suite.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  const directUrl = await sharedPostgres(15);
  const owner = `suite_owner_${process.pid}`;
  const admin = new Client({ connectionString: directUrl });
  await admin.connect();
  await admin.query(`CREATE ROLE ${owner} LOGIN`);
  await admin.query(`GRANT CREATE ON DATABASE ${new URL(directUrl).pathname.slice(1)} TO ${owner}`);
  await admin.end();
  return { url: Object.assign(new URL(directUrl), { username: owner }).href, directUrl };
});

afterAll(() => databases.close());

runSuite("postgres 15, an owner under row-level security", () => databases.open());
