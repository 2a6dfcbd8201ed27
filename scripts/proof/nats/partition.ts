// Ways to part one node of a cluster of three from others: by network namespaces, as a real network would, or by wires of
// ours between the nodes, which needs no rights.
import { makeNatsNetwork, type NatsHost, type NatsNetwork } from "../../services/nats-network.ts";
import { Wire } from "./wire.ts";

/** How a cluster's nodes, counted from 0, are parted and joined again. */
export interface Partition {
  /** From the other nodes: who is connected to it stays so. */
  fromPeers(node: number): Promise<void>;
  /** From everyone; only namespaces can. */
  fromAll(node: number): Promise<void>;
  mend(node: number): Promise<void>;
  close(): Promise<void>;
}

/** A network namespace for each node. Needs root. */
export class Network implements Partition {
  readonly #network: NatsNetwork;

  private constructor(network: NatsNetwork) {
    this.#network = network;
  }

  /** @throws with what to do where namespaces cannot be made */
  static async open(): Promise<Network> {
    try {
      return new Network(await makeNatsNetwork());
    } catch (error) {
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      const why = isMissing ? "the command ip is missing: install iproute2" : (error as Error).message;
      throw new Error(`no network namespaces (${why}); or part the nodes by wires: --parted wires`, { cause: error });
    }
  }

  get places(): NatsNetwork["places"] {
    return this.#network.places;
  }

  fromPeers(node: number): Promise<void> {
    return this.#network.cutFromOthers(hostOf(node));
  }

  fromAll(node: number): Promise<void> {
    return this.#network.cutOff(hostOf(node));
  }

  mend(node: number): Promise<void> {
    return this.#network.heal(hostOf(node));
  }

  close(): Promise<void> {
    return this.#network.close();
  }
}

function hostOf(node: number): NatsHost {
  return (node + 1) as NatsHost;
}

/** Wires of ours between the nodes, one for each node that dials and each that is dialled. */
export class Wires implements Partition {
  readonly #wires: { readonly ends: readonly [from: number, to: number]; readonly wire: Wire }[] = [];

  /** Where a node finds another that listens on a port. */
  async routeFrom(from: number, to: number, port: number): Promise<string> {
    const wire = await Wire.to(port);
    this.#wires.push({ ends: [from, to], wire });
    return wire.address;
  }

  async fromPeers(node: number): Promise<void> {
    for (const { ends, wire } of this.#wires) if (ends.includes(node)) wire.cut();
  }

  async fromAll(): Promise<void> {
    throw new Error("wires lie between nodes only: nothing parts a node from its clients");
  }

  async mend(): Promise<void> {
    for (const { wire } of this.#wires) wire.mend();
  }

  async close(): Promise<void> {
    await Promise.all(this.#wires.map(({ wire }) => wire.close()));
  }
}
