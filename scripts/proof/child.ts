// Child processes of the proofs: started from source, ended by their own pid, never by name.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

/** How a child ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ending>;
}

const running = new Set<ChildProcess>();
// A proof that fails half-way leaves nobody behind.
function endAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
process.once("exit", endAll);
// Vitest ends the process of a test file this way, which is no exit: a child that outlived it would hold its output
// open, and the run would wait for ever.
process.once("SIGTERM", () => {
  endAll();
  if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM");
});

function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
  running.add(child);
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return { process: child, ended };
}

/** A TypeScript file of ours, with `punctual` meaning the sources. */
export function startScript(
  file: string,
  args: readonly string[],
  { node = process.execPath, ...options }: SpawnOptions & { readonly node?: string } = {},
): Child {
  return startChild(node, ["--conditions=source", "--disable-warning=ExperimentalWarning", file, ...args], options);
}
