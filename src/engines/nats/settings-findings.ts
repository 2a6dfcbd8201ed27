// What a stream and its server are set to mean for the store, as findings: what survives a crash, copies, room.
import type { JetStreamAccountStats, PeerInfo, StreamInfo } from "@nats-io/jetstream";
import { type Finding, fine } from "../../core/findings.ts";
import type { Way } from "./connecting.ts";
import { asStoreError, named } from "./faults.ts";

/** Parts of a limit that are in use. */
const roomWarn = 0.8;
const roomProblem = 0.95;
/** A copy that is further behind, in messages, would take long to take over. */
const lagWarn = 1_000;
/** Copies speak to each other every second; one that was silent for so long, in ns, is away. */
const silentNs = 10_000_000_000;

/** What the settings of the stream and its server mean for what is stored there. */
export async function settingsFindings(way: Way, { stream }: { readonly stream: string }): Promise<Finding[]> {
  try {
    const info = await way.jsm.streams.info(stream);
    return [
      serverFinding(way, info),
      ...durabilityFindings(info),
      ...replicaFindings(info),
      ...roomFindings(info, await accountOf(way)),
    ];
  } catch (error) {
    throw asStoreError(error, { what: "store.findings", writes: false });
  }
}

function serverFinding({ nc }: Way, { config }: StreamInfo): Finding {
  const { info } = nc;
  const where = info?.cluster === undefined ? "" : ` in cluster ${info.cluster}`;
  const copies = config.num_replicas === 1 ? "1 copy" : `${config.num_replicas} copies`;
  return fine("server", `NATS ${info?.version ?? "of an unknown version"}${where}; stream ${config.name}, ${copies}`);
}

function durabilityFindings({ config, cluster }: StreamInfo): Finding[] {
  const check = "settings";
  const found: Finding[] = [];
  if (config.storage === "memory") {
    const what =
      config.num_replicas === 1
        ? "the stream is kept in memory: a server that ends loses every job"
        : "the stream is kept in memory: servers that end together lose every job";
    const mend = 'Copy into a stream with storage "file": punctual copy.';
    found.push({ check, status: config.num_replicas === 1 ? "problem" : "warn", what, mend });
  } else if ((config.persist_mode as string | undefined) === "async") {
    const what = "the stream is written behind (persist_mode async): a server that ends loses what it has acknowledged";
    found.push({ check, status: "warn", what, mend: "Copy into a stream without it: punctual copy." });
  } else {
    // No client can read how often a server syncs.
    const what =
      "kept in files: what is acknowledged survives the server's end; a power cut, as its sync_interval says";
    found.push(fine(check, what));
  }
  if (cluster?.name !== undefined && config.num_replicas === 1) {
    const what = "the stream has 1 copy in a cluster: it is away whenever its server is, and lost with its disk";
    const mend = `nats stream edit ${config.name} --replicas=3, or option replicas of a new store.`;
    found.push({ check, status: "warn", what, mend });
  }
  if (config.num_replicas % 2 === 0) {
    const what = `the stream has ${config.num_replicas} copies: they stop at the loss of as many servers as one fewer would`;
    const mend = `nats stream edit ${config.name} --replicas=${config.num_replicas + 1}, or one fewer.`;
    found.push({ check, status: "warn", what, mend });
  }
  return found;
}

function replicaFindings({ cluster, config }: StreamInfo): Finding[] {
  const replicas = cluster?.replicas ?? [];
  if (replicas.length === 0) return [];
  const bad = replicas.map((peer) => [peer.name, troubleOf(peer)] as const).filter(([, what]) => what !== undefined);
  if (bad.length === 0) return [fine("replication", `${replicas.length} other copies, all up to date`)];
  const what = `of ${replicas.length} other copies ${bad.map(([name, trouble]) => `${name} ${trouble}`).join(", ")}`;
  const quorum = Math.floor(config.num_replicas / 2) + 1;
  const away = replicas.filter(isAway).length;
  // One more that goes stops the store.
  const status = config.num_replicas - away <= quorum && away > 0 ? "problem" : "warn";
  return [{ check: "replication", status, what, mend: "See nats server report jetstream, and the servers' logs." }];
}

function isAway({ offline, current, active }: PeerInfo): boolean {
  return offline === true || (!current && active > silentNs);
}

function troubleOf(peer: PeerInfo): string | undefined {
  const { current, lag = 0 } = peer;
  if (isAway(peer)) return "is away";
  if (lag > lagWarn) return `is ${lag} messages behind`;
  // A copy under load is a message or two behind at any time.
  return current || lag > 0 ? undefined : "is not up to date";
}

function roomFindings({ config, state }: StreamInfo, account: JetStreamAccountStats | undefined): Finding[] {
  const found: Finding[] = [];
  const raise = (what: string) =>
    `Raise ${what}, or keep fewer finished jobs (retention): a full stream takes no jobs.`;
  const rooms: [string, number, number, string][] = [
    ["the stream's bytes", state.bytes, config.max_bytes, raise("max_bytes of the stream")],
    ["the stream's messages", state.messages, config.max_msgs, raise("max_msgs of the stream")],
  ];
  // Accounts with tiers have their limits by copies.
  const usage = account?.tiers?.[`R${config.num_replicas}`] ?? account;
  if (usage?.limits !== undefined) {
    const isFile = config.storage !== "memory";
    const used = isFile ? usage.storage : usage.memory;
    const most = isFile ? usage.limits.max_storage : usage.limits.max_memory;
    rooms.push([`the account's ${isFile ? "disk" : "memory"}`, used, most, raise("the account's JetStream limits")]);
  }
  for (const [what, used, most, mend] of rooms) {
    if (!(most > 0)) continue;
    const told = `${shareOf(used, most)} of ${what} are used`;
    if (used < roomWarn * most) found.push(fine("room", told));
    else found.push({ check: "room", status: used < roomProblem * most ? "warn" : "problem", what: told, mend });
  }
  if (found.length > 0) return found;
  return [
    fine("room", `${megabytes(state.bytes)} in ${state.messages} messages; neither stream nor account has a limit`),
  ];
}

/** Who may not ask, is told nothing of it. */
async function accountOf({ jsm }: Way): Promise<JetStreamAccountStats | undefined> {
  try {
    return await jsm.getAccountInfo();
  } catch (error) {
    if (named(error, "PermissionViolationError") !== undefined) return undefined;
    throw error;
  }
}

function shareOf(used: number, most: number): string {
  return `${Math.floor((used / most) * 100)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
