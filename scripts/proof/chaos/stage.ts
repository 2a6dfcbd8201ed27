// Where a round of chaos is played: a store of its own, processes under load, and a scheduler in this process that looks and
// enqueues but runs nothing.
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createScheduler, type Scheduler } from "punctual";
import type { Engine } from "../../../src/core/engine.ts";
import { type Child, startScript } from "../child.ts";
import { type Effect, readEffects } from "./effects.ts";
import type { Ground } from "./ground.ts";
import type { ChaosProcess } from "./load.ts";

const script = fileURLToPath(new URL("chaos-process.ts", import.meta.url));

/** Every worker's lease: shorter than the outages that it is to meet. */
export const leaseMs = 2_000;
/** How long any condition may take; far more than it does. */
const patienceMs = 90_000;

export interface ChaosChild extends Child {
  readonly pid: number;
  readonly mode: ChaosProcess["mode"];
  readonly queues: readonly string[];
  /** It was killed by the fault itself, or has been told to end. */
  isOver: boolean;
}

export class ChaosStage<out G extends Ground> {
  readonly ground: G;
  readonly scheduler: Scheduler<never>;
  readonly children: ChaosChild[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), "punctual-chaos-"));
  /** When what was not yet safe was lost, in ms since 1970; told by a fault that may lose something. */
  lostAt: number | undefined;
  readonly #audit: "changes" | "all";

  private constructor(ground: G, audit: "changes" | "all") {
    this.ground = ground;
    this.scheduler = createScheduler({ engine: ground.engine });
    this.#audit = audit;
  }

  /** A stage on a new store; its tables or keys are there, and nothing runs. */
  static async set<G extends Ground>(ground: G, audit: "changes" | "all"): Promise<ChaosStage<G>> {
    const stage = new ChaosStage(ground, audit);
    await stage.scheduler.stats();
    return stage;
  }

  get engine(): Engine<never> {
    return this.ground.engine;
  }

  /** Starts a process; resolves when it serves. */
  async start(mode: ChaosProcess["mode"], queues: readonly string[] = ["default"]): Promise<ChaosChild> {
    const { folder } = this;
    const told: ChaosProcess = { mode, place: this.ground.place, folder, audit: this.#audit, leaseMs, queues };
    const words = openSync(join(this.folder, `stderr-${this.children.length}`), "w");
    const child = startScript(script, [JSON.stringify(told)], { stdio: ["ignore", "ignore", words] });
    closeSync(words);
    const { pid = 0 } = child.process;
    const started: ChaosChild = { ...child, pid, mode, queues, isOver: false };
    this.children.push(started);
    await this.until(`process ${pid} to serve`, () =>
      this.effects().some((line) => line.kind === "ready" && line.pid === pid),
    );
    return started;
  }

  /** The processes that the fault has left alive. */
  living(mode: ChaosProcess["mode"]): ChaosChild[] {
    return this.children.filter((child) => child.mode === mode && !child.isOver);
  }

  effects(): Effect[] {
    return readEffects(this.folder);
  }

  /** Waits for a condition. @throws when it does not come, or a process ends that nobody killed */
  async until(about: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!(await holds())) {
      const gone = this.children.find(({ isOver, process }) => !isOver && process.exitCode !== null);
      if (gone !== undefined) throw new Error(`a ${gone.mode} ended by itself:\n${this.words()}`);
      if (Date.now() > deadline) throw new Error(`waited ${patienceMs} ms for ${about}`);
      await sleep(50);
    }
  }

  /** Ends processes the graceful way; answers those that did not end well. */
  async end(mode: ChaosProcess["mode"]): Promise<string[]> {
    const children = this.living(mode);
    for (const child of children) {
      child.isOver = true;
      child.process.kill("SIGTERM");
    }
    const endings = await Promise.all(children.map(({ ended }) => ended));
    return endings.flatMap(({ code, signal }) => (code === 0 ? [] : [`a ${mode} ended with ${code ?? signal}`]));
  }

  /** What the processes have said on stderr: nothing, when all is well. */
  words(): string {
    const files = readdirSync(this.folder).filter((name) => name.startsWith("stderr-"));
    return files.map((name) => readFileSync(join(this.folder, name), "utf8")).join("");
  }

  async clear(): Promise<void> {
    for (const { process } of this.children) process.kill("SIGKILL");
    await Promise.all(this.children.map(({ ended }) => ended));
    await this.scheduler.stop({ timeout: 1_000 });
    await this.ground.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
