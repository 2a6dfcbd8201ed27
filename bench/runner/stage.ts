// The stage of one run: a folder of its own, the processes that were asked for, and their end.
import { readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Actor, childFile } from "../process/actor.ts";
import { type Compiled, compile } from "../process/compile.ts";
import type { Plant } from "../process/desk.ts";
import type { Found } from "./discover.ts";
import type { Config } from "./subject.ts";
import type { Measure, Stage, Workload } from "./workload.ts";

export interface RunOptions {
  readonly found: Found;
  readonly config: Config;
  readonly workload: Workload;
  /** Multiplies the numbers of jobs. */
  readonly scale: number;
  readonly plant: Plant | undefined;
  /** Folder for CPU profiles of the processes. */
  readonly profile: string | undefined;
  readonly progress: Stage["progress"];
}

/** How often the progress of a run is looked at, in ms. */
const watchMs = 250;

/** Clock ticks per second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const procTicksPerSecond = 100;

/** CPU time of a process and its threads, in ms, from /proc. */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / procTicksPerSecond;
}

/** Folders to remove when the runner ends, whichever way. */
const folders = new Set<string>();
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

let compiledCode: Compiled | undefined;

function compileOnce(): Compiled {
  compiledCode ??= compile();
  folders.add(compiledCode.folder);
  return compiledCode;
}

/** Plays a workload once; everything it started has ended and its folder is gone when it answers. */
export async function playOnce(options: RunOptions): Promise<Measure> {
  const { found, config, workload, scale, plant, profile, progress } = options;
  const { subject, file } = found;
  const folder = await mkdtemp(join(tmpdir(), "punctual-bench-"));
  folders.add(folder);
  const actors = new Map<string, Promise<Actor>>();
  const compiled = workload.compiled === true ? compileOnce() : undefined;
  const fileOf = (source: string) => compiled?.fileOf(source) ?? source;
  const scaled = (count: number, least = 10) => Math.max(least, Math.round(count * scale));
  const warmJobs = workload.warmJobs === undefined ? 0 : scaled(workload.warmJobs);
  const cast = (name: string): Promise<Actor> => {
    const profileName = `${workload.name}-${subject.name}-${name}-${Date.now()}.cpuprofile`;
    const flags =
      profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${profileName}`];
    const role = { file: fileOf(file), config, folder, plant, warmJobs: name.startsWith("worker") ? warmJobs : 0 };
    const actor = actors.get(name) ?? Actor.start(role, fileOf(childFile), flags);
    actors.set(name, actor);
    return actor;
  };
  let watching: NodeJS.Timeout | undefined;
  const shared = subject.abilities.includes("processes");
  const stage: Stage = {
    subject,
    scaled,
    producer: () => cast(shared ? "producer" : "worker"),
    worker: (another) => cast(another === undefined ? "worker" : "worker-2"),
    bystander: () => cast("bystander"),
    storeCpuMs: async () => {
      const [first] = actors.values();
      const pids = await (await first)?.call("storePids");
      return pids?.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
    },
    progress: (doing, done, total) => {
      clearInterval(watching);
      progress(doing, done, total);
    },
    watch: (doing, done, total) => {
      clearInterval(watching);
      watching = setInterval(() => progress(doing, done(), total), watchMs);
    },
  };
  try {
    return await workload.play(stage);
  } finally {
    clearInterval(watching);
    await Promise.allSettled([...actors.values()].map(async (actor) => await (await actor).end()));
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}
