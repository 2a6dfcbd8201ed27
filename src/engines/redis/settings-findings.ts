// What the server's settings mean for the store, as findings: memory, what survives a crash, replicas, connections.
import { type Finding, fine } from "../../core/findings.ts";
import type { Connection } from "./connection.ts";
import { evictionMend } from "./opening.ts";
import { infoOf, productOf, settingOf } from "./server-info.ts";

/** Parts of the memory and of the connections that are in use. */
const memoryWarn = 0.8;
const memoryProblem = 0.95;
const clientsWarn = 0.8;

/** Which store on which server. */
export interface FindingsTarget {
  /** Of its keys: with a cluster the node that holds them is asked. */
  readonly prefix: string;
  readonly isCluster: boolean;
}

type Info = ReadonlyMap<string, string>;

/** What the settings of the server mean for what is stored there. */
export async function settingsFindings(connection: Connection, target: FindingsTarget): Promise<Finding[]> {
  const { prefix } = target;
  const info = (section: string) => infoOf(connection, section, prefix);
  const setting = (name: string) => settingOf(connection, name, prefix);
  const server = await info("server");
  if (server.size === 0) {
    const what = "this user may not ask the server for its settings (INFO)";
    return [{ check: "server", status: "warn", what, mend: "ACL SETUSER name +info +config|get." }];
  }
  const persistence = await info("persistence");
  return [
    serverFinding(server, target),
    ...memoryFindings(await info("memory"), await info("stats")),
    ...persistenceFindings(persistence, await setting("appendfsync"), await setting("save")),
    ...replicationFindings(await info("replication"), await setting("min-replicas-to-write")),
    clientsFinding(await info("clients"), await setting("maxclients")),
  ];
}

function serverFinding(info: Info, { isCluster }: FindingsTarget): Finding {
  const { name, version } = productOf(info);
  const how = isCluster ? ", a node of a cluster: all of this store's keys are on it" : "";
  return fine("server", `${name} ${version}${how}`);
}

function memoryFindings(memory: Info, stats: Info): Finding[] {
  const found: Finding[] = [];
  const policy = memory.get("maxmemory_policy") ?? "unknown";
  const most = Number(memory.get("maxmemory") ?? 0);
  const used = Number(memory.get("used_memory") ?? 0);
  const evicted = Number(stats.get("evicted_keys") ?? 0);
  if (policy !== "noeviction") {
    const what =
      most > 0
        ? `maxmemory-policy is ${policy}: when its memory is full, the server removes keys, and jobs with them`
        : `maxmemory-policy is ${policy}: once a maxmemory is set, the server removes keys, and jobs with them`;
    found.push({ check: "eviction", status: most > 0 ? "problem" : "warn", what, mend: evictionMend });
  } else if (evicted > 0) {
    const what = `the server has removed ${evicted} keys for want of memory since it was started: jobs may be among them`;
    found.push({ check: "eviction", status: "warn", what, mend: "Compare the counts of jobs with what you expect." });
  } else found.push(fine("eviction", "noeviction: nothing is removed for want of memory"));
  found.push(memoryFinding(used, most));
  return found;
}

function memoryFinding(used: number, most: number): Finding {
  if (most === 0) return fine("memory", `${megabytes(used)} are used; there is no maxmemory`);
  const what = `${megabytes(used)} of ${megabytes(most)} are used`;
  if (used < memoryWarn * most) return fine("memory", what);
  const status = used < memoryProblem * most ? "warn" : "problem";
  const mend =
    "Raise maxmemory, keep fewer finished jobs (retention), or remove other keys: a full server takes no jobs.";
  return { check: "memory", status, what, mend };
}

function persistenceFindings(info: Info, fsync: string | undefined, save: string | undefined): Finding[] {
  const found: Finding[] = [];
  const mend = "CONFIG SET appendonly yes, and appendfsync everysec or always; the same in redis.conf.";
  if (info.get("aof_enabled") === "1") found.push(appendFinding(fsync));
  else if (save === "") {
    const what = "nothing is written to disk: a server that ends loses every job";
    found.push({ check: "settings", status: "problem", what, mend });
  } else {
    const when = save === undefined ? "" : ` (save ${save})`;
    const what = `there are only snapshots${when}: a crash loses all that was written since the last`;
    found.push({ check: "settings", status: "warn", what, mend });
  }
  const failed = [
    ["aof_last_write_status", "the last write of the append-only file"],
    ["aof_last_bgrewrite_status", "the last rewrite of the append-only file"],
    ["rdb_last_bgsave_status", "the last snapshot"],
  ] as const;
  for (const [field, what] of failed) {
    if ((info.get(field) ?? "ok") === "ok") continue;
    const look = "Look at the server's log and its disk; it takes no writes while it cannot save.";
    found.push({ check: "settings", status: "problem", what: `${what} has failed`, mend: look });
  }
  return found;
}

function appendFinding(fsync: string | undefined): Finding {
  const check = "settings";
  if (fsync === "always") return fine(check, "appendfsync always: what is acknowledged survives a crash");
  if (fsync === "everysec") return fine(check, "appendfsync everysec: a crash loses the last second at most");
  if (fsync === undefined) {
    return fine(check, "the append-only file is on; how often it is synced, this user may not ask");
  }
  const what = `appendfsync is ${fsync}: a crash of the machine loses what the system has not written, up to half a minute`;
  return { check, status: "warn", what, mend: "CONFIG SET appendfsync everysec, or always; the same in redis.conf." };
}

function replicationFindings(info: Info, wanted: string | undefined): Finding[] {
  if (info.get("role") === "slave") {
    const what = "this is a replica: nothing can be written";
    return [{ check: "replication", status: "problem", what, mend: "Connect to the primary." }];
  }
  const replicas = Number(info.get("connected_slaves") ?? 0);
  if (replicas === 0) return [fine("replication", "there are no replicas: none can take over, none is behind")];
  const least = Number(wanted ?? 0);
  const named = replicas === 1 ? "1 replica" : `${replicas} replicas`;
  if (least > 0) return [fine("replication", `${named}; writes are refused with fewer than ${least}`)];
  const what = `${named}: when one takes over, what it had not yet been sent is lost`;
  const mend =
    "CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 10 bound what a cut-off primary can accept.";
  return [{ check: "replication", status: "warn", what, mend }];
}

function clientsFinding(info: Info, setting: string | undefined): Finding {
  const used = Number(info.get("connected_clients") ?? 0);
  const most = Number(info.get("maxclients") ?? setting ?? 0);
  if (most === 0) return fine("connections", `${used} are in use`);
  const what = `${used} of ${most} connections are in use`;
  if (used < clientsWarn * most) return fine("connections", what);
  return { check: "connections", status: "warn", what, mend: "Raise maxclients; each process has two connections." };
}

function megabytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
