// A private server of Redis or Valkey: loopback only, a free port, temporary data, no password. It can be stopped, killed,
// started and paused, and is gone with this process.
import type { ChildProcess } from "node:child_process";
import { appendFileSync, chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isStopped } from "./process-tree.ts";
import { type RedisKind, type RedisProgram, redisProgram } from "./redis-binaries.ts";
import { commandOnce, infoOf } from "./redis-commands.ts";
import { ended, freePort, ServerHome, serverUser } from "./server-home.ts";

/** "none" keeps nothing on disk; the others keep an append-only file, synced each second or before each answer. */
export type RedisDurability = "none" | "everysec" | "always";

/** Lines of redis.conf by their first word. */
export type RedisSettings = Readonly<Record<string, string>>;

export interface RedisOptions {
  /** Default "redis". */
  readonly kind?: RedisKind;
  /** Default "none". */
  readonly durability?: RedisDurability;
  readonly settings?: RedisSettings;
}

/** How a server is run by those in this folder that need more than one. */
export interface RedisProcessOptions extends RedisOptions {
  /** A Sentinel answers other commands than a server. Default false. */
  readonly sentinel?: boolean;
}

/** With gigabytes to load. */
const startsWithinMs = 120_000;

const durabilities: Readonly<Record<RedisDurability, RedisSettings>> = {
  none: { appendonly: "no" },
  everysec: { appendonly: "yes", appendfsync: "everysec" },
  always: { appendonly: "yes", appendfsync: "always" },
};

export class RedisServer {
  readonly kind: RedisKind;
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #home: ServerHome;
  readonly #program: RedisProgram;
  readonly #arguments: readonly string[];
  readonly #configuration: string;
  #process: ChildProcess | undefined;
  #paused = false;
  #version = "";

  constructor(home: ServerHome, program: RedisProgram, port: number, options: RedisProcessOptions) {
    this.kind = options.kind ?? "redis";
    this.port = port;
    this.#home = home;
    this.#program = program;
    const settings = {
      bind: this.host,
      port: `${port}`,
      dir: home.directory,
      ...(options.sentinel ? {} : { save: '""', ...durabilities[options.durability ?? "none"] }),
      ...options.settings,
    };
    // A file, because Sentinel and the cluster write down what has become of the server.
    this.#configuration = join(home.directory, "server.conf");
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(this.#configuration, lines.join(""), { mode: 0o600 });
    if (serverUser !== undefined) chownSync(this.#configuration, serverUser.uid, serverUser.gid);
    this.#arguments = [this.#configuration, ...(options.sentinel ? ["--sentinel"] : [])];
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  /** As in "7.0.15", of Redis or of Valkey. */
  get version(): string {
    return this.#version;
  }

  /** Fails while the server is stopped. */
  get pid(): number {
    const { pid } = this.#process ?? {};
    if (pid === undefined) throw new Error("the server is stopped");
    return pid;
  }

  /** Neither stopped nor paused. */
  get running(): boolean {
    return this.#process !== undefined && !this.#paused;
  }

  /** Where it keeps its data and its configuration. */
  get directory(): string {
    return this.#home.directory;
  }

  /** Starts it again, on the same data and port, and waits until it has loaded the data and answers. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("the server has been started already");
    const server = this.#home.start(this.#program.command, this.#arguments, this.#program.env);
    this.#process = server;
    server.once("exit", () => {
      this.#process = undefined;
      this.#paused = false;
    });
    const deadline = Date.now() + startsWithinMs;
    while (!(await this.#answers())) {
      if (this.#process === undefined || Date.now() > deadline) {
        throw new Error(`the server of ${this.kind} does not start: ${this.#home.lastWords()}`);
      }
      await delay(5);
    }
  }

  /** Adds a line to its redis.conf; the next start obeys it. */
  configure(name: string, value: string): void {
    appendFileSync(this.#configuration, `${name} ${value}\n`);
  }

  /** As by SHUTDOWN: what its durability promises to keep is on disk. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** By SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Freezes it, and waits until it is: connections stay open and get no answer. */
  async pause(): Promise<void> {
    const { pid } = this;
    process.kill(pid, "SIGSTOP");
    while (!isStopped(pid)) await delay(1);
    this.#paused = true;
  }

  /** Undoes `pause`. */
  resume(): void {
    process.kill(this.pid, "SIGCONT");
    this.#paused = false;
  }

  /** One command's answer, on a connection of its own. */
  async command(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return await commandOnce(this.url, name, ...args);
  }

  /** The fields of INFO's answer by their names; all sections unless named. */
  async info(...sections: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return await infoOf(this.url, ...sections);
  }

  /** The last lines that it printed. */
  lastWords(): string {
    return this.#home.lastWords();
  }

  /** Ends the server and removes its data. */
  async close(): Promise<void> {
    await this.kill();
    await this.#home.close();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    server.kill(signal);
    server.kill("SIGCONT");
    await ended(server);
  }

  /** Whether this very server does: another one may have taken the port a moment before. */
  async #answers(): Promise<boolean> {
    try {
      const info = await this.info();
      if (info.get("process_id") !== `${this.#process?.pid}` || (info.get("loading") ?? "0") !== "0") return false;
      this.#version = info.get("valkey_version") ?? info.get("redis_version") ?? "";
      return true;
    } catch {
      return false;
    }
  }
}

/** Starts a server, or a Sentinel, on a free port with new data. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisServer> {
  const { kind = "redis", durability = "none" } = options;
  const program = await redisProgram(kind);
  const home = new ServerHome(kind, { inMemory: durability === "none" });
  try {
    for (let tries = 1; ; tries += 1) {
      const server = new RedisServer(home, program, await freePort(), options);
      try {
        await server.start();
        return server;
      } catch (error) {
        if (tries === 3 || !home.lastWords().includes("already in use")) throw error;
      }
    }
  } catch (error) {
    await home.close();
    throw error;
  }
}

/** Starts a private server. Fails with what to do where Redis or Valkey is neither here nor to be fetched. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return await startRedisProcess(options);
}
