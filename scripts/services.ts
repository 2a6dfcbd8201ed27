// Says which servers the engines under src/engines need for their tests. Today's engines are embedded and need none;
// an engine folder that is neither embedded nor startable from here is an error, not a silent gap.
import { existsSync, readdirSync } from "node:fs";

const embeddedEngines: readonly string[] = ["memory", "sqlite"];

const enginesDirectory = new URL("../src/engines/", import.meta.url);
const engines = existsSync(enginesDirectory)
  ? readdirSync(enginesDirectory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  : [];
const unknown = engines.filter((engine) => !embeddedEngines.includes(engine));

if (unknown.length > 0) {
  console.error(
    `no way is known to find or start a server for: ${unknown.join(", ")} (see "Servers" in CONTRIBUTING.md)`,
  );
  process.exitCode = 1;
} else {
  console.log(`no servers are needed by the engines that exist (${embeddedEngines.join(", ")})`);
}
