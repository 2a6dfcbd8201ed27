// A private NATS server with JetStream on files: loopback only unless told otherwise, free ports, temporary data. It can be
// stopped, killed, started and paused, and is gone with this process.
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type NatsAccess, natsAccess } from "./nats-access.ts";
import { natsProgram } from "./nats-binaries.ts";
import { makeCertificates, type NatsCertificates } from "./nats-certificates.ts";
import { loopback, type NatsOptions, type NatsPlan, natsConfiguration } from "./nats-configuration.ts";
import { greetingOf, monitorPage } from "./nats-greeting.ts";
import { isStopped } from "./process-tree.ts";
import { ended, freePort, ServerHome, serverUser } from "./server-home.ts";

/** With gigabytes to load. */
const startsWithinMs = 120_000;

export class NatsServer {
  /** What the server calls itself; a name of its own among all servers. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** PEM files, where it has TLS. */
  readonly certificates: NatsCertificates | undefined;
  /** For the logins "nkey" and "creds": what a client has to show. */
  readonly access: NatsAccess;
  readonly #home: ServerHome;
  readonly #program: string;
  readonly #configuration: string;
  readonly #namespace: string | undefined;
  readonly #monitorOrigin: string;
  #process: ChildProcess | undefined;
  #paused = false;
  #version = "";

  constructor(home: ServerHome, plan: NatsPlan, options: NatsOptions) {
    this.host = options.host ?? loopback;
    this.name = `${options.settings?.["server_name"] ?? `nats-${randomBytes(6).toString("hex")}`}`;
    this.port = plan.port;
    this.certificates = plan.certificates;
    this.access = plan.access;
    this.#home = home;
    this.#program = plan.program;
    this.#namespace = options.namespace;
    this.#monitorOrigin = `http://${this.host}:${plan.monitorPort}`;
    this.#configuration = join(home.directory, "server.conf");
    const text = natsConfiguration(this.name, home.directory, plan, options);
    writeFileSync(this.#configuration, text, { mode: 0o600 });
    if (serverUser !== undefined) chownSync(this.#configuration, serverUser.uid, serverUser.gid);
  }

  /** Without user, password or token. */
  get url(): string {
    return `${this.certificates === undefined ? "nats" : "tls"}://${this.host}:${this.port}`;
  }

  /** As in "2.15.1". */
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

  /** Where it keeps its data (in `data/`) and its configuration. */
  get directory(): string {
    return this.#home.directory;
  }

  /** Starts it again, on the same data and ports, and waits until it has loaded the data and answers. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("the server has been started already");
    const server = this.#launch();
    this.#process = server;
    server.once("exit", () => {
      this.#process = undefined;
      this.#paused = false;
    });
    const deadline = Date.now() + startsWithinMs;
    while (!(await this.#answers())) {
      if (this.#process === undefined || Date.now() > deadline) {
        throw new Error(`nats-server does not start: ${this.#home.lastWords()}`);
      }
      await delay(5);
    }
  }

  /** In good order: it writes down what it holds. */
  async stop(): Promise<void> {
    await this.kill("SIGTERM");
  }

  /** Ends it by a signal; resolves when it has ended. Nothing that it has written to files is lost by that. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    server.kill(signal);
    server.kill("SIGCONT");
    await ended(server);
  }

  /** Stops it, if it runs, and starts it. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
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

  /** A page of its monitoring, as in "/varz" or "/jsz?streams=true". Fails where it does not answer with that page. */
  async monitor(path: string): Promise<unknown> {
    return await monitorPage(this.#monitorOrigin, path);
  }

  /** Whether JetStream and all that it keeps here is in order; in a cluster: has a leader, and is up to date. */
  async healthy(): Promise<boolean> {
    return await this.monitor("/healthz").then(
      () => true,
      () => false,
    );
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

  #launch(): ChildProcess {
    const command = [this.#program, "--config", this.#configuration] as const;
    if (this.#namespace === undefined) return this.#home.start(command[0], command.slice(1));
    if (serverUser === undefined) throw new Error("only root may start a server in a network namespace");
    const rights = ["setpriv", `--reuid=${serverUser.uid}`, `--regid=${serverUser.gid}`, "--clear-groups"];
    // Only root may enter the namespace; both programs become the next one, so the process id is the server's.
    return this.#home.start("ip", ["netns", "exec", this.#namespace, ...rights, ...command], {}, { uid: 0, gid: 0 });
  }

  /** Whether this very server does: another one may have taken the port a moment before. */
  async #answers(): Promise<boolean> {
    try {
      const greeting = await greetingOf(this.host, this.port);
      if (greeting.server_name !== this.name || greeting.jetstream !== true) return false;
      this.#version = greeting.version;
      return true;
    } catch {
      return false;
    }
  }
}

/** Starts a private server. Fails with what to do where nats-server is neither here nor to be fetched. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const program = await natsProgram(options.release ?? "supported");
  const home = new ServerHome("nats", { inMemory: options.inMemory ?? options.syncInterval === undefined });
  try {
    const access = natsAccess(options.login);
    const certificates = options.tls && (await makeCertificates(home, options.host ?? loopback));
    for (let tries = 1; ; tries += 1) {
      const [port, monitorPort] = [await freePort(), await freePort()];
      const server = new NatsServer(home, { program, port, monitorPort, access, certificates }, options);
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
