// Three hosts of our own, for the nodes of a cluster: network namespaces on a bridge that this process reaches too. Each can be
// cut off. Linux only, and root's. All is gone with this process, by a guard, or after `close`.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";
import type { NatsPlace } from "./nats-cluster.ts";

const runFile = promisify(execFile);

/** Takes the bridge and the namespaces away when its input ends: the first argument is the bridge, the others the namespaces. */
const guardScript = `
cat >/dev/null
bridge=$1
shift
for namespace in "$@"; do
  ip link delete "$namespace" 2>/dev/null
  ip netns delete "$namespace" 2>/dev/null
done
ip link delete "$bridge" 2>/dev/null
`;

const hosts = [1, 2, 3] as const;
export type NatsHost = (typeof hosts)[number];

async function ip(command: string): Promise<void> {
  await runFile("ip", command.split(" "));
}

export class NatsNetwork {
  /** For startNatsCluster: the first node is on host 1. */
  readonly places: readonly [NatsPlace, NatsPlace, NatsPlace];
  readonly #name: string;
  readonly #subnet: string;
  readonly #guard: ChildProcess;

  constructor() {
    if (process.getuid?.() !== 0) throw new Error("only root may make network namespaces: run this as root");
    this.#name = `nats${randomBytes(4).toString("hex")}`;
    this.#subnet = `10.${randomInt(64, 128)}.${randomInt(256)}`;
    this.places = [this.#place(1), this.#place(2), this.#place(3)];
    const namespaces = hosts.map((host) => this.#namespace(host));
    // Detached: a Ctrl-C in the terminal must not end the guard before its work.
    this.#guard = spawn("/bin/sh", ["-c", guardScript, "guard", this.#name, ...namespaces], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#guard.unref();
    const { stdin } = this.#guard;
    // A guard that was killed has nothing to hear.
    stdin?.on("error", () => {});
    if (stdin !== null && "unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  }

  /** Makes the hosts and their links. */
  async open(): Promise<void> {
    const bridge = this.#name;
    await ip(`link add ${bridge} type bridge`);
    await ip(`address add ${this.#subnet}.254/24 dev ${bridge}`);
    await ip(`link set ${bridge} up`);
    for (const host of hosts) {
      const namespace = this.#namespace(host);
      await ip(`netns add ${namespace}`);
      await ip(`link add ${namespace} type veth peer name eth0 netns ${namespace}`);
      await ip(`link set ${namespace} master ${bridge} up`);
      await ip(`-netns ${namespace} address add ${this.#subnet}.${host}/24 dev eth0`);
      await ip(`-netns ${namespace} link set eth0 up`);
      await ip(`-netns ${namespace} link set lo up`);
    }
  }

  /** Nobody reaches the host any more, this process neither: open connections stay open and hear nothing. */
  async cutOff(host: NatsHost): Promise<void> {
    await ip(`link set ${this.#namespace(host)} nomaster`);
  }

  /** It and the other hosts reach each other no more; this process, and so the clients in it, still do. */
  async cutFromOthers(host: NatsHost): Promise<void> {
    for (const other of hosts.filter((one) => one !== host)) {
      await this.#lose(host, other);
      await this.#lose(other, host);
    }
  }

  /** Undoes both. */
  async heal(host: NatsHost): Promise<void> {
    await ip(`link set ${this.#namespace(host)} master ${this.#name} up`);
    for (const one of hosts) await ip(`-netns ${this.#namespace(one)} route flush type blackhole`);
  }

  /** Takes everything away; what runs there must have been ended. */
  async close(): Promise<void> {
    if (this.#guard.exitCode !== null || this.#guard.signalCode !== null) return;
    this.#guard.ref();
    const ended = once(this.#guard, "exit");
    this.#guard.stdin?.end();
    await ended;
  }

  /** What one sends to the other. */
  async #lose(from: NatsHost, to: NatsHost): Promise<void> {
    await ip(`-netns ${this.#namespace(from)} route replace blackhole ${this.#subnet}.${to}/32`);
  }

  #namespace(host: NatsHost): string {
    return `${this.#name}-${host}`;
  }

  #place(host: NatsHost): NatsPlace {
    return { host: `${this.#subnet}.${host}`, namespace: this.#namespace(host) };
  }
}

/** Three hosts that reach each other, and this process them. Fails where it may not make them. */
export async function makeNatsNetwork(): Promise<NatsNetwork> {
  const network = new NatsNetwork();
  try {
    await network.open();
    return network;
  } catch (error) {
    await network.close();
    throw error;
  }
}
