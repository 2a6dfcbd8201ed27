// The stage of one run: a folder of its own, the processes that were asked for, and their end.
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Compiled, compile } from "../process/compile.ts";
import type { Plant } from "../process/desk.ts";
import { Cast } from "./cast.ts";
import type { Found } from "./discover.ts";
import type { ServerSettings } from "./server.ts";
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
  readonly servers: ServerSettings;
  readonly progress: Stage["progress"];
}

/** How often the progress of a run is looked at, in ms. */
const watchMs = 250;

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
  const { found, config, workload, scale, plant, profile, servers, progress } = options;
  const { subject, file } = found;
  const folder = await mkdtemp(join(tmpdir(), "punctual-bench-"));
  folders.add(folder);
  const pace = subject.paces?.[config] ?? {};
  const share = workload.needs.includes("work") ? (pace.jobsShare ?? 1) : 1;
  const scaled = (count: number, least = 10) => Math.max(least, Math.round(count * scale * share));
  const compiled = workload.compiled === true ? compileOnce() : undefined;
  const cast = new Cast({
    ...{ subject, file, config, folder, plant, servers },
    warmJobs: workload.warmJobs === undefined ? 0 : scaled(workload.warmJobs),
    fileOf: (source) => compiled?.fileOf(source) ?? source,
    flagsOf: (name) => profileFlags(profile, `${workload.name}-${subject.name}-${name}`),
  });
  let watching: NodeJS.Timeout | undefined;
  const shared = subject.abilities.includes("processes");
  const stage: Stage = {
    subject,
    pace,
    scaled,
    producer: () => cast.actor(shared ? "producer" : "worker"),
    worker: (another) => cast.actor(another === undefined ? "worker" : "worker-2"),
    bystander: () => cast.actor("bystander"),
    readStore: async () => (await cast.store())?.read(),
    readStoreAtRest: async () => {
      const store = await cast.store();
      if (store !== undefined) await cast.end();
      await store?.settled();
      return await store?.read();
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
    await cast.close();
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}

/** Flags of Node that write a CPU profile into a folder. */
function profileFlags(folder: string | undefined, name: string): string[] {
  if (folder === undefined) return [];
  return ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`];
}
