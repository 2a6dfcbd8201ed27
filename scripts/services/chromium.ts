// Where a browser is for tests that look at pages: on the machine, else Debian's Chromium, fetched once; and how it is started.
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { fetchFromDebian } from "./fetched.ts";

interface Program {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const usual = ["/usr/bin", "/usr/local/bin", "/opt/google/chrome", "/Applications/Google Chrome.app/Contents/MacOS"];

/** It looks up nobody, and needs no display, no graphics card and no user of its own. */
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

function installedProgram(): string | undefined {
  const given = process.env["PUNCTUAL_TEST_CHROMIUM"];
  if (given !== undefined) return given;
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), ...usual];
  const paths = directories.flatMap((directory) => [...names, "Google Chrome"].map((name) => join(directory, name)));
  return paths.find((path) => existsSync(path));
}

async function chromiumProgram(): Promise<Program> {
  const installed = installedProgram();
  if (installed !== undefined) return { command: installed, env: {} };
  try {
    // All libraries but those that every program of the machine has open: two versions of these do not mix.
    const needed = /^(chromium-common|fonts-liberation2?|lib(?!c6$|c-bin$|gcc|stdc|systemd|udev).+)$/;
    const root = await fetchFromDebian("chromium", needed);
    return {
      command: join(root, "usr", "lib", "chromium", "chromium"),
      env: { LD_LIBRARY_PATH: foldersOfLibraries(root).join(delimiter) },
    };
  } catch (error) {
    const advice = "install the package chromium, or set PUNCTUAL_TEST_CHROMIUM to the path of a Chromium";
    throw new Error(`Chromium is not on this machine and could not be fetched: ${advice}`, { cause: error });
  }
}

/** Some packages have theirs in folders of their own. */
function foldersOfLibraries(root: string): string[] {
  const libraries = readdirSync(root, { recursive: true, withFileTypes: true }).filter(({ name }) =>
    name.includes(".so"),
  );
  return [...new Set(libraries.map(({ parentPath }) => parentPath))];
}

/** Starts a browser without a window; close it. Fails with what to do where it is neither here nor to be fetched. */
export async function startChromium(): Promise<Browser> {
  const { command, env } = await chromiumProgram();
  return await chromium.launch({
    executablePath: command,
    args: flags,
    env: { ...(process.env as Record<string, string>), ...(env as Record<string, string>) },
  });
}
