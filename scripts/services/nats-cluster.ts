// A private cluster of three NATS servers with JetStream, each of which can be killed, paused and started: what has three
// replicas goes on while two of them run.
import { randomBytes } from "node:crypto";
import { type NatsServer, startNats } from "./nats.ts";
import { loopback, type NatsOptions, type NatsSettings } from "./nats-configuration.ts";
import { freePort } from "./server-home.ts";
import { until } from "./settling.ts";

/** Where one server of a cluster runs; both as in NatsOptions. */
export type NatsPlace = Pick<NatsOptions, "host" | "namespace">;

/** What holds for each of them. */
export interface NatsClusterOptions extends Pick<NatsOptions, "syncInterval" | "inMemory" | "maxPayload" | "settings"> {
  /** Where each runs: they must reach each other, and this process must reach them. Default: all on loopback. */
  readonly places?: readonly [NatsPlace, NatsPlace, NatsPlace];
  /**
   * Where one of them, counted from 0, is to find another whose port for the others is given: "host:port" of something that
   * passes connections on. Default: there itself.
   */
  readonly routeFrom?: (from: number, to: number, port: number) => Promise<string>;
}

interface Replica {
  readonly name: string;
  readonly current: boolean;
}

/** Servers that agree on something, as one of them sees it: the leader alone knows how far the others are. */
interface Group {
  readonly leader?: string;
  readonly replicas?: readonly Replica[];
}

interface StreamDetail {
  readonly name: string;
  readonly cluster?: Group;
}

/** Of the page /jsz, what is of use here. */
interface JetStreamPage {
  readonly meta_cluster?: Group;
  readonly account_details?: readonly { readonly stream_detail?: readonly StreamDetail[] }[];
}

/** What the group is called in which they agree on where streams are kept: no stream can be called so. */
const meta = "*";

export class NatsCluster {
  readonly nodes: readonly NatsServer[];

  constructor(nodes: readonly NatsServer[]) {
    this.nodes = nodes;
  }

  /** Of all nodes, separated by commas. */
  get url(): string {
    return `nats://${this.nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`;
  }

  /** The node that decides for a stream, as soon as exactly one that runs says so. Fails after 45 s. */
  async leaderOf(stream: string): Promise<NatsServer> {
    return await this.#leaderOf(stream, `one node leads the stream ${stream}`);
  }

  /** The node that decides where streams are kept, as soon as exactly one that runs says so. Fails after 45 s. */
  async metaLeader(): Promise<NatsServer> {
    return await this.#leaderOf(meta, "one node leads JetStream");
  }

  /**
   * Waits until everything has a leader, and each node that runs is in order and up to date. Fails after 45 s, or as many ms as
   * told: nodes that were cut off for long may take longer.
   */
  async settled(withinMs?: number): Promise<void> {
    const allIsWell = async () => {
      const running = this.#running();
      const healths = await Promise.all(running.map((node) => node.healthy()));
      if (!healths.every((healthy) => healthy)) return false;
      const views = await Promise.all(running.map((node) => viewOf(node)));
      const names = new Set([meta, ...views.flatMap((view) => [...view.keys()])]);
      const isBehind = ({ name, current }: Replica) => !current && running.some((node) => node.name === name);
      return [...names].every((name) => {
        const led = views.flatMap((view, index) => {
          const group = view.get(name);
          return group !== undefined && group.leader === running[index]?.name ? [group] : [];
        });
        return led.length === 1 && !led[0]?.replicas?.some(isBehind);
      });
    };
    await until("each node that runs has all that it is to have", this.nodes, allIsWell, withinMs);
  }

  /** Ends all nodes and removes their data. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  #running(): readonly NatsServer[] {
    return this.nodes.filter(({ running }) => running);
  }

  /** The node in whose own words it is the one. What others say may be old, and one that is cut off says nothing. */
  async #leaderOf(group: string, what: string): Promise<NatsServer> {
    let leader: NatsServer | undefined;
    await until(what, this.nodes, async () => {
      const nodes = this.#running().map(async (node) => {
        const view = await viewOf(node).catch(() => undefined);
        return view?.get(group)?.leader === node.name ? [node] : [];
      });
      const leaders = (await Promise.all(nodes)).flat();
      leader = leaders[0];
      return leaders.length === 1;
    });
    if (leader === undefined) throw new Error(`not so: ${what}`);
    return leader;
  }
}

/** The groups that a node knows of by the names of their streams. */
async function viewOf(node: NatsServer): Promise<ReadonlyMap<string, Group>> {
  const page = (await node.monitor("/jsz?accounts=true&streams=true")) as JetStreamPage;
  const streams = (page.account_details ?? []).flatMap(({ stream_detail = [] }) => stream_detail);
  return new Map([
    [meta, page.meta_cluster ?? {}],
    ...streams.map(({ name, cluster = {} }) => [name, cluster] as const),
  ]);
}

interface Member {
  readonly options: NatsOptions;
  /** Where the others find it. */
  readonly address: string;
}

async function planMembers({
  places,
  settings = {},
  routeFrom,
  ...options
}: NatsClusterOptions): Promise<readonly Member[]> {
  const cluster = `tests-${randomBytes(6).toString("hex")}`;
  const members: Member[] = [];
  for (const place of places ?? [{}, {}, {}]) {
    const address = `${place.host ?? loopback}:${await freePort()}`;
    const own: NatsSettings = {
      ...settings,
      server_name: `${cluster}-${members.length + 1}`,
      // An address at which nobody is: else they would tell each other ways around the given ones.
      cluster: { name: cluster, listen: address, ...(routeFrom && { advertise: `${loopback}:1`, no_advertise: true }) },
    };
    members.push({ options: { ...options, ...place, settings: own }, address });
  }
  return members;
}

async function routesOf(
  members: readonly Member[],
  from: number,
  routeFrom: NatsClusterOptions["routeFrom"],
): Promise<readonly string[]> {
  const routes = members.map(async ({ address }, to) => {
    const way = routeFrom === undefined || from === to ? address : await routeFrom(from, to, portOf(address));
    return `nats://${way}`;
  });
  return await Promise.all(routes);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

async function startMembers(
  members: readonly Member[],
  routeFrom: NatsClusterOptions["routeFrom"],
): Promise<readonly NatsServer[]> {
  const starting = members.map(async ({ options }, index) => {
    const { settings = {} } = options;
    const cluster = { ...(settings["cluster"] as object), routes: await routesOf(members, index, routeFrom) };
    return await startNats({ ...options, settings: { ...settings, cluster } });
  });
  const results = await Promise.allSettled(starting);
  const nodes = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.close()));
  throw failed.reason;
}

/** Starts a cluster without data, and waits until it has a leader. Fails with what to do where there is no nats-server. */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  for (let tries = 1; ; tries += 1) {
    try {
      const cluster = new NatsCluster(await startMembers(await planMembers(options), options.routeFrom));
      try {
        await cluster.settled();
        return cluster;
      } catch (error) {
        await cluster.close();
        throw error;
      }
    } catch (error) {
      // Somebody else took the port that was meant for the routes.
      if (tries === 3 || !`${error}`.includes("already in use")) throw error;
    }
  }
}
