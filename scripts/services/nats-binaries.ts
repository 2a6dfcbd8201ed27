// Where nats-server is: on the machine, else unpacked from Debian's packages, fetched once. Two releases that are too old for
// the engine are among them, for the tests that it says so.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { fetchFromDebian } from "./fetched.ts";

const runFile = promisify(execFile);

/** "supported" is 2.12 or any later one. */
export type NatsRelease = "supported" | "2.10" | "2.9";

/** Names a supported server that tests are to use: so the oldest that is supported is tried where somebody has it. */
const binaryVariable = "PUNCTUAL_TEST_NATS_SERVER";

interface Source {
  /** What such a program says of itself. */
  readonly version: RegExp;
  /** The suite of Debian that has it. Testing goes on to later ones. */
  readonly suite: string;
}

const sources: Readonly<Record<NatsRelease, Source>> = {
  supported: { version: /v(2\.(1[2-9]|[2-9]\d)|[3-9])\./, suite: "testing" },
  "2.10": { version: /v2\.10\./, suite: "trixie" },
  "2.9": { version: /v2\.9\./, suite: "bookworm" },
};

async function isServer(command: string, release: NatsRelease): Promise<boolean> {
  if (!existsSync(command)) return false;
  const { stdout } = await runFile(command, ["--version"]);
  return sources[release].version.test(stdout);
}

async function installedServer(release: NatsRelease): Promise<string | undefined> {
  const usual = ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"];
  for (const directory of [...(process.env["PATH"] ?? "").split(delimiter), ...usual]) {
    const command = join(directory, "nats-server");
    if (await isServer(command, release)) return command;
  }
  return undefined;
}

async function fetchedServer(release: NatsRelease): Promise<string> {
  const root = await fetchFromDebian("nats-server", /^$/, { suite: sources[release].suite });
  const command = join(root, "usr", "sbin", "nats-server");
  if (!(await isServer(command, release))) throw new Error(`${command} is of another release`);
  return command;
}

/** The program. Fails with what to do where it is neither installed nor to be fetched. */
export async function natsProgram(release: NatsRelease): Promise<string> {
  const given = process.env[binaryVariable];
  if (release === "supported" && given !== undefined && given !== "") {
    if (await isServer(given, release)) return given;
    throw new Error(`${binaryVariable} names no nats-server 2.12 or newer: correct it, or unset it`);
  }
  const installed = await installedServer(release);
  if (installed !== undefined) return installed;
  try {
    return await fetchedServer(release);
  } catch (error) {
    const advice =
      release === "supported"
        ? `install it, or set ${binaryVariable} to the path of one, or PUNCTUAL_TEST_NATS_URL to the URL of a server that tests may use (compose.yaml has one)`
        : "put it on the PATH";
    const wanted = release === "supported" ? "2.12 or newer" : release;
    throw new Error(`nats-server ${wanted} is not on this machine and could not be fetched: ${advice}`, {
      cause: error,
    });
  }
}
