// A deployment of pods as users of redis-distro-scheduler have it: the user's table in a file, a channel of a real Redis that
// tells of its changes, and processes that run what it says.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { expect, onTestFinished, vi } from "vitest";
import { type Child, startScript } from "../../scripts/proof/child.ts";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import type { Payload, PodLine, PodOptions, ScheduleRecord } from "./source-pod-process.ts";

export interface Pod extends Child {
  readonly lines: PodLine[];
}

/** Waits for what is to come, however busy the machine is. */
export async function until(about: string, holds: () => unknown): Promise<void> {
  await vi.waitFor(async () => expect(await holds(), about).toBe(true), { timeout: 60_000, interval: 20 });
}

export class Pods {
  readonly folder: string;
  readonly redis: RedisServer;
  readonly #client: Redis;
  readonly #table: DatabaseSync;
  readonly all: Pod[] = [];
  readonly channel = "report-schedules";

  private constructor(redis: RedisServer, folder: string) {
    this.redis = redis;
    this.folder = folder;
    this.#client = new Redis(redis.url);
    this.#table = new DatabaseSync(join(folder, "app.db"));
    this.#table.exec("PRAGMA journal_mode = WAL");
    this.#table.exec("CREATE TABLE report_schedules (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT");
  }

  /** An empty table, and nobody to read it; all is gone after the test. */
  static async create(): Promise<Pods> {
    const pods = new Pods(await startRedis(), mkdtempSync(join(tmpdir(), "punctual-pods-")));
    onTestFinished(() => pods.#close());
    return pods;
  }

  /** Starts a pod and waits until it follows the channel. */
  async start(store: string, { offsetMs = 0, leaseMs = 30_000 } = {}): Promise<Pod> {
    const script = fileURLToPath(new URL("source-pod-process.ts", import.meta.url));
    const { redis, channel, folder } = this;
    const options: PodOptions = { store, table: join(folder, "app.db"), redis: redis.url, channel, offsetMs, leaseMs };
    const child = startScript(script, [JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
    const pod: Pod = { ...child, lines: [] };
    this.all.push(pod);
    const { stdout } = child.process;
    if (stdout === null) throw new Error("a pod has no output");
    createInterface({ input: stdout }).on("line", (line) => pod.lines.push(JSON.parse(line) as PodLine));
    const followers = this.all.filter(isRunning).length;
    await until("a pod that is ready", () => pod.lines.some(({ kind }) => kind === "ready"));
    await until("a pod that follows the channel", async () => (await this.followers()) === followers);
    return pod;
  }

  /** How many pods hear what is published. */
  async followers(): Promise<number> {
    return Number((await this.#client.pubsub("NUMSUB", this.channel))[1]);
  }

  /** Creates or changes a row, as every second's report. */
  write(id: string, payload: Payload, enabled = true): ScheduleRecord {
    const record = {
      id,
      customerId: "acme",
      name: id,
      cronExpression: "* * * * * *",
      timezone: "UTC",
      payload,
      enabled,
    };
    this.#table.prepare("INSERT OR REPLACE INTO report_schedules VALUES (?, ?)").run(id, JSON.stringify(record));
    return record;
  }

  delete(id: string): void {
    this.#table.prepare("DELETE FROM report_schedules WHERE id = ?").run(id);
  }

  /** Tells of a change, as redis-distro-scheduler's users do; answers how many pods heard it. */
  async publish(event: object): Promise<number> {
    return await this.#client.publish(this.channel, JSON.stringify(event));
  }

  /** Cuts every subscription. */
  async cut(): Promise<void> {
    await this.#client.call("CLIENT", "KILL", "TYPE", "PUBSUB");
    expect(await this.followers()).toBe(0);
  }

  /** Reports that began, in every pod, in the order of their ticks. */
  runs(of: (line: PodLine) => boolean = () => true): PodLine[] {
    const lines = this.all.flatMap(({ lines }) => lines.filter(({ kind }) => kind === "started"));
    return lines.filter(of).sort((a, b) => a.tick - b.tick);
  }

  lines(kind: PodLine["kind"]): PodLine[] {
    return this.all.flatMap(({ lines }) => lines.filter((line) => line.kind === kind));
  }

  /** Stops them all gracefully. */
  async stop(): Promise<void> {
    for (const { process } of this.all) process.kill("SIGTERM");
    await Promise.all(this.all.map(({ ended }) => ended));
  }

  async #close(): Promise<void> {
    for (const { process } of this.all) process.kill("SIGKILL");
    await Promise.all(this.all.map(({ ended }) => ended));
    this.#client.disconnect();
    this.#table.close();
    await this.redis.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function isRunning({ process }: Pod): boolean {
  return process.exitCode === null && process.signalCode === null;
}
