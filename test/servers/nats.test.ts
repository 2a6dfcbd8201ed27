// What tests may expect of the NATS servers that they are given.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { describe, expect, onTestFinished, type TestContext, test, vi } from "vitest";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import type { NatsAccess, NatsLogin } from "../../scripts/services/nats-access.ts";
import { natsProgram } from "../../scripts/services/nats-binaries.ts";
import { startNatsCluster } from "../../scripts/services/nats-cluster.ts";
import type { NatsOptions } from "../../scripts/services/nats-configuration.ts";
import { isStopped } from "../../scripts/services/process-tree.ts";
import { findNats } from "../../scripts/services/shared-nats.ts";
import { sharedNats, sharedNatsCluster, sharedOldNats } from "./shared.ts";

/** Servers are started, and nodes take seconds to agree on a leader. */
const patient = { timeout: 60_000 };
type OnTestFinished = TestContext["onTestFinished"];

async function privateServer(options: NatsOptions = {}): Promise<NatsServer> {
  const server = await startNats(options);
  onTestFinished(() => server.close());
  return server;
}

async function connection(
  url: string,
  options: ConnectionOptions = {},
  finished: OnTestFinished = onTestFinished,
): Promise<NatsConnection> {
  const servers = url.replace(/^\w+:\/\//, "").split(",");
  const client = await connect({ reconnect: false, ...options, servers });
  finished(() => client.close());
  return client;
}

async function newStream(client: NatsConnection, name: string, replicas = 1): Promise<JetStreamManager> {
  const manager = await jetstreamManager(client);
  await manager.streams.add({ name, subjects: [`${name}.>`], num_replicas: replicas, allow_atomic: true });
  return manager;
}

async function publish(client: NatsConnection, stream: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await jetstream(client).publish(`${stream}.subject`, `${n}`);
}

async function countOf(url: string, stream: string): Promise<number> {
  const manager = await jetstreamManager(await connection(url));
  return (await manager.streams.info(stream)).state.messages;
}

describe("the shared NATS server", patient, () => {
  test("is one supported server for all who ask, each with names of its own", async () => {
    const [first, second] = [await sharedNats(), await sharedNats()];
    expect(second.url).toBe(first.url);
    expect(new Set([first, first, second].map((shared) => shared.newDeployment())).size).toBe(3);
    const client = await connection(first.url);
    const { streams } = await newStream(client, first.newDeployment());
    expect((await streams.list().next()).some(({ config }) => config.allow_atomic)).toBe(true);
  });

  test("may be one that the environment names: it loses the streams of the run's deployments and no others", async () => {
    const own = await privateServer({ login: { user: "tests", password: "p@ss:/%" } });
    const url = own.url.replace("://", `://tests:${encodeURIComponent("p@ss:/%")}@`);
    vi.stubEnv("PUNCTUAL_TEST_NATS_URL", url);
    const shared = await findNats();
    expect(shared.url).toBe(url);
    const client = await connection(own.url, { user: "tests", pass: "p@ss:/%" });
    await newStream(client, `${shared.deployments}-1`);
    const { streams } = await newStream(client, "others");
    await shared.close();
    expect(await streams.names().next()).toEqual(["others"]);
    await own.stop();
    await expect(findNats()).rejects.toThrow("does not answer");
  });

  test.each(["2.9", "2.10"] as const)("has an older one beside it: %s", async (release) => {
    const { info } = await connection(await sharedOldNats(release));
    expect(info).toMatchObject({ version: expect.stringMatching(`^${release}\\.`), jetstream: true });
  });
});

describe("a private NATS server", patient, () => {
  test("is of version 2.12 or newer, on loopback, with the settings that were asked for", async () => {
    const server = await privateServer({
      maxPayload: 4_096,
      syncInterval: "always",
      settings: { max_connections: 7, jetstream: { max_file_store: 1_000_000 } },
    });
    const [major = 0, minor = 0] = server.version.split(".").map(Number);
    expect(major * 100 + minor).toBeGreaterThanOrEqual(212);
    expect(await server.monitor("/varz")).toMatchObject({ host: "127.0.0.1", max_payload: 4_096, max_connections: 7 });
    const config = expect.objectContaining({ max_storage: 1_000_000, sync_always: true });
    expect(await server.monitor("/jsz?config=true")).toMatchObject({ config });
  });

  test.each([{}, { syncInterval: "always" }])("keeps its port and all data: %o", async (options) => {
    const server = await privateServer(options);
    const { port, pid } = server;
    const client = await connection(server.url);
    await newStream(client, "kept");
    await publish(client, "kept", 100);
    await server.kill();
    expect(() => server.pid).toThrow("stopped");
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(server.port).toBe(port);
    expect(await countOf(server.url, "kept")).toBe(100);
    await server.restart();
    expect(await countOf(server.url, "kept")).toBe(100);
  });

  test("answers nobody while it is paused, everybody afterwards, and can be closed while it is", async () => {
    const server = await privateServer();
    const client = await connection(server.url);
    await client.flush();
    await server.pause();
    let answered = false;
    const flushed = client.flush().then(() => {
      answered = true;
    });
    expect(isStopped(server.pid)).toBe(true);
    expect(server.running).toBe(false);
    expect(answered).toBe(false);
    server.resume();
    await flushed;
    expect(server.running).toBe(true);
    await server.pause();
    await server.close();
    expect(existsSync(server.directory)).toBe(false);
  });

  const bytes = (text = "") => new TextEncoder().encode(text);
  const logins: readonly (readonly [NatsLogin, (access: NatsAccess) => ConnectionOptions])[] = [
    [{ token: "t@ken" }, () => ({ token: "t@ken" })],
    [{ user: "somebody", password: "secret" }, () => ({ user: "somebody", pass: "secret" })],
    ["nkey", ({ seed }) => ({ authenticator: nkeyAuthenticator(bytes(seed)) })],
    ["creds", ({ creds }) => ({ authenticator: credsAuthenticator(bytes(creds)) })],
  ];
  test.each(logins)("lets in only who can show: %o", async (login, shown) => {
    const server = await privateServer({ login });
    await expect(connection(server.url)).rejects.toThrow(/authorization/i);
    const client = await connection(server.url, shown(server.access));
    await newStream(client, "own");
    await publish(client, "own", 1);
  });

  test("speaks TLS only, with certificates of its own, and may ask clients for theirs", async () => {
    const server = await privateServer({ tls: "clients-too" });
    expect(server.url).toMatch(/^tls:/);
    const { caFile = "", client } = server.certificates ?? {};
    await expect(connection(server.url, { tls: {} })).rejects.toThrow();
    await expect(connection(server.url, { tls: { caFile } })).rejects.toThrow();
    await newStream(await connection(server.url, { tls: { caFile, ...client } }), "secret");
    const less = await privateServer({ tls: "server" });
    await newStream(await connection(less.url, { tls: { caFile: less.certificates?.caFile ?? "" } }), "secret");
  });

  test("is the one that the environment names, if that is supported", async () => {
    const program = await natsProgram("2.10");
    vi.stubEnv("PUNCTUAL_TEST_NATS_SERVER", program);
    await expect(natsProgram("supported")).rejects.toThrow("PUNCTUAL_TEST_NATS_SERVER");
    expect(await natsProgram("2.10")).toBe(program);
  });

  test("is gone, with its data, soon after its owner was killed", async () => {
    const file = fileURLToPath(new URL("nats-owner-process.ts", import.meta.url));
    const owner = spawn(process.execPath, ["--conditions=source", file], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(owner.stdout, "data");
    const { pid, directory } = JSON.parse(`${line}`) as { readonly pid: number; readonly directory: string };
    expect(existsSync(directory)).toBe(true);
    owner.kill("SIGKILL");
    await vi.waitFor(() => expect(existsSync(directory)).toBe(false), patient);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});

describe("a cluster of three NATS servers", patient, () => {
  test("is shared by those who only need one", async () => {
    const { url, urls, newDeployment } = await sharedNatsCluster();
    expect(urls).toHaveLength(3);
    expect(urls.map((one) => one.replace("nats://", "")).join(",")).toBe(url.replace("nats://", ""));
    await newStream(await connection(url), newDeployment(), 3);
  });

  test("goes on without a stream's leader, which catches up when it is started on its data", async () => {
    const cluster = await startNatsCluster();
    onTestFinished(() => cluster.close());
    const { streams } = await newStream(
      await connection(cluster.url, { reconnect: true, reconnectTimeWait: 10 }),
      "kept",
      3,
    );
    const leader = await cluster.leaderOf("kept");
    const [other] = cluster.nodes.filter((node) => node !== leader);
    const client = await connection(other?.url ?? "");
    await publish(client, "kept", 10);
    await leader.kill();
    expect(await cluster.leaderOf("kept")).not.toBe(leader);
    await cluster.settled();
    // What a leader has taken on a moment ago may not yet have spread to the node that is asked.
    await vi.waitFor(() => jetstream(client).publish("kept.subject", "", { msgID: "once" }), patient);
    await leader.start();
    await cluster.settled();
    const { state, cluster: group } = await streams.info("kept");
    expect(state.messages).toBe(11);
    expect(group?.replicas?.filter(({ current }) => current)).toHaveLength(2);
  });
});
