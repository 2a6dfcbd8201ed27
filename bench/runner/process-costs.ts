// What a server's process costs, as the system tells it in /proc: CPU time and resident memory.
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks per second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const procTicksPerSecond = 100;

interface ProcessTimes {
  readonly parent: number;
  readonly own: number;
  /** Of children that have ended. */
  readonly ended: number;
}

/** Clock ticks of a process, from /proc; undefined when it has ended meanwhile. */
function timesOf(pid: number | string): ProcessTimes | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [, parent = 0] = fields;
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    return { parent, own: user + system, ended: endedUser + endedSystem };
  } catch {
    return undefined;
  }
}

/** CPU time of a process and its children, those that have ended included, in ms. */
export function cpuMsOfTree(pid: number): number {
  const root = timesOf(pid);
  if (root === undefined) throw new Error("the server has ended");
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const children = pids.map(timesOf).filter((times) => times?.parent === pid);
  const ticks = children.reduce((sum, times) => sum + (times?.own ?? 0) + (times?.ended ?? 0), root.own + root.ended);
  return (ticks * 1_000) / procTicksPerSecond;
}

/** Memory of a process that is in RAM. */
export function residentBytesOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1_024;
}
