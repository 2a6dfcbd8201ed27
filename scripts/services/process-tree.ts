// The children of a process and their state, read from /proc where there is one, else asked of `ps`.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

interface ProcessState {
  readonly parent: number;
  /** One letter, the same in /proc and in `ps`. */
  readonly state: string;
}

function readProc(pid: number): ProcessState | undefined {
  try {
    // The second field is a name in brackets that may itself hold brackets and blanks.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(parent), state };
  } catch {
    return undefined;
  }
}

function processes(): Map<number, ProcessState> {
  const found = new Map<number, ProcessState>();
  if (existsSync("/proc/self/stat")) {
    for (const entry of readdirSync("/proc")) {
      const state = /^\d+$/.test(entry) ? readProc(Number(entry)) : undefined;
      if (state !== undefined) found.set(Number(entry), state);
    }
    return found;
  }
  for (const line of execFileSync("ps", ["-A", "-o", "pid=,ppid=,state="], { encoding: "utf8" }).split("\n")) {
    const [pid, parent, state = ""] = line.trim().split(/\s+/);
    found.set(Number(pid), { parent: Number(parent), state: state.slice(0, 1) });
  }
  return found;
}

/** Process ids of the direct children. */
export function childrenOf(parent: number): number[] {
  return [...processes()].filter(([, process]) => process.parent === parent).map(([pid]) => pid);
}

/** Whether it is stopped by a signal, or gone. */
export function isStopped(pid: number): boolean {
  const { state } = processes().get(pid) ?? { state: "T" };
  return state === "T" || state === "Z";
}
