// Suites of Debian other than the machine's release, read through lists of packages of their own: the system's stay as they are.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Runs a program to its end and gives what it printed. */
type Run = (command: string, ...args: string[]) => Promise<string>;

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Options for apt-get and apt-cache that name one suite instead of the machine's, as in "testing"; "backports" are those of the
 * machine's release, beside that release. `directory` is made for the lists.
 */
export async function suiteOptions(suite: string, directory: string, run: Run): Promise<readonly string[]> {
  const [, release = ""] = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8")) ?? [];
  const format = "$(ORIGIN) $(RELEASE) $(REPO_URI)";
  const targets = await run("apt-get", "indextargets", "--format", format, "Created-By: Packages");
  const [, archive] = new RegExp(`^Debian ${release} (\\S+)$`, "m").exec(targets) ?? [];
  if (archive === undefined) throw new Error(`apt knows no archive of Debian's release ${release}`);
  const lists = join(directory, "lists");
  const cache = join(directory, "cache");
  for (const parent of [lists, join(cache, "archives")]) mkdirSync(join(parent, "partial"), { recursive: true });
  const sources = join(directory, "sources.list");
  const signedBy = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
  const suites = suite === "backports" ? [release, `${release}-backports`] : [suite];
  writeFileSync(sources, suites.map((suite) => `deb ${signedBy}${archive} ${suite} main\n`).join(""));
  const settings = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": lists,
    "Dir::Cache": cache,
    "APT::Default-Release": suites.at(-1) ?? release,
    "Acquire::Retries": "3",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await run("apt-get", ...options, "update");
  return options;
}
