// What is wrong with the way to a NATS server, and stays so: told as such, with the mend. A server that is only away is told as
// one. A connection of the user's is used and left open. What is open once connects anew for ever.
import { jetstream } from "@nats-io/jetstream";
import { type NatsConnection, connect as natsConnect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { natsProgram } from "../../scripts/services/nats-binaries.ts";
import { startNatsCluster } from "../../scripts/services/nats-cluster.ts";
import { greetingOf } from "../../scripts/services/nats-greeting.ts";
import { freePort, ServerHome } from "../../scripts/services/server-home.ts";
import { connect } from "../../src/engines/nats/connecting.ts";
import { asStoreError } from "../../src/engines/nats/faults.ts";
import { checkOptions } from "../../src/engines/nats/options.ts";
import { opened, outcome } from "./opened.ts";

let server: NatsServer;

beforeAll(async () => {
  server = await startNats();
}, 60_000);

afterAll(async () => {
  await server.close();
});

async function until(what: () => boolean | Promise<boolean>, name: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`not in time: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("O1 a server that is away", () => {
  test("O1 a port that nobody listens on is told as a server that is away", async () => {
    expect(await outcome(`nats://127.0.0.1:${await freePort()}`)).toMatchObject({ code: "NOT_WRITTEN" });
  });

  test("O1 so is a host that no name service knows", async () => {
    expect(await outcome("nats://nowhere.invalid")).toMatchObject({ code: "NOT_WRITTEN" });
  });

  test("O1 of several hosts one that answers will do", async () => {
    const location = `nats://127.0.0.1:${await freePort()},127.0.0.1:${server.port}`;
    expect(await outcome(location)).toMatchObject({ subject: "scheduler.journal" });
  });

  test("O2 a server that hangs is given up, in the time that the options give", async () => {
    const hung = await startNats();
    await hung.pause();
    try {
      expect(await outcome(hung.url, { startPhaseTimeout: 300 })).toMatchObject({
        code: "NOT_WRITTEN",
        message: expect.stringMatching(/no answer within|no connection/),
      });
    } finally {
      hung.resume();
      await hung.close();
    }
  });

  test("O1 a connection that was open is made anew when the server is back, and tells of each turn", async () => {
    const own = await startNats();
    const { way } = await opened(own.url);
    const turns: string[] = [];
    const unwatch = way.watch((turn) => turns.push(turn));
    const late: string[] = [];
    way.watch((turn) => late.push(turn))();
    await own.kill();
    await until(() => turns.includes("lost"), "lost");
    await own.start();
    await until(() => turns.includes("back"), "back");
    expect((await way.jsm.streams.info("SCHEDULER")).config.subjects).toEqual(["scheduler.journal"]);
    await way.close();
    expect(turns).toEqual(["lost", "back"]);
    expect(late).toEqual([]);
    unwatch();
    await own.close();
  });

  test("O2 closing ends while the server hangs", async () => {
    const own = await startNats();
    const { way } = await opened(own.url);
    await own.pause();
    await way.nc.reconnect();
    await way.close();
    own.resume();
    await own.close();
  });
});

describe("O1 a server that is cut off from its cluster", () => {
  test("O1 it is left for another one when requests go unanswered, and never with a connection of the user's", async () => {
    const cluster = await startNatsCluster();
    const [{ host, port } = { host: "", port: 0 }] = cluster.nodes;
    const users = await natsConnect({ servers: `${host}:${port}` });
    const { way } = await opened(cluster.url);
    const other = await connect(checkOptions(users, {}));
    const before = [way.nc.getServer(), users.getServer()];
    const turns: string[] = [];
    way.watch((turn) => turns.push(turn));
    other.watch((turn) => turns.push(`users ${turn}`));
    for (let index = 0; index < 10; index++) {
      way.unanswered();
      way.unanswered();
      way.answered();
      other.unanswered();
    }
    await until(() => {
      way.unanswered();
      other.unanswered();
      return turns.includes("back");
    }, "reconnected");
    expect(turns).toEqual(["lost", "back"]);
    expect(way.nc.getServer()).not.toBe(before[0]);
    expect(users.getServer()).toBe(before[1]);
    await way.close();
    await users.close();
    await cluster.close();
  }, 60_000);
});

describe("O5 a server that cannot be used", () => {
  test("O5 one without JetStream is told so, with the mend", async () => {
    const home = new ServerHome("nats", { inMemory: true });
    try {
      const port = await freePort();
      home.start(await natsProgram("supported"), ["-a", "127.0.0.1", "-p", `${port}`]);
      await until(
        () =>
          greetingOf("127.0.0.1", port).then(
            () => true,
            () => false,
          ),
        "started",
      );
      expect(await outcome(`nats://127.0.0.1:${port}`)).toMatchObject({
        code: "ENGINE_NOT_CONFIGURED",
        message: expect.stringContaining("switched off on this server"),
        mend: expect.stringContaining("store_dir"),
      });
    } finally {
      await home.close();
    }
  });

  test("O5 something that is no NATS server is told so", async () => {
    const { createServer } = await import("node:net");
    const other = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    try {
      expect(await outcome(`nats://127.0.0.1:${port}`)).toMatchObject({
        code: "ENGINE_NOT_CONFIGURED",
        message: expect.stringContaining("no NATS server"),
      });
    } finally {
      other.close();
    }
  });

  test("O5 tls: to a server without TLS is told so", async () => {
    expect(await outcome(server.url.replace("nats:", "tls:"))).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      message: expect.stringContaining("no TLS"),
    });
  });
});

describe("the JetStream of another domain", () => {
  test("is used from a leaf node by its name", async () => {
    const leafPort = await freePort();
    const hub = await startNats({
      settings: { jetstream: { domain: "hub" }, leafnodes: { listen: `127.0.0.1:${leafPort}` } },
    });
    const leaf = await startNats({
      settings: { jetstream: { domain: "leaf" }, leafnodes: { remotes: [{ url: `nats://127.0.0.1:${leafPort}` }] } },
    });
    expect(await outcome(leaf.url, { domain: "hub" })).toMatchObject({ subject: "scheduler.journal" });
    const { way } = await opened(hub.url, { mustExist: true });
    await way.close();
    expect(await outcome(leaf.url, { mustExist: true })).toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    await leaf.close();
    await hub.close();
  });
});

describe("a connection of the user's", () => {
  let users: NatsConnection;

  beforeAll(async () => {
    users = await natsConnect({ servers: `127.0.0.1:${server.port}`, inboxPrefix: "_MINE" });
  });

  afterAll(async () => {
    await users.close();
  });

  test("it is used and left open", async () => {
    const { way } = await opened(users, { stream: "USERS", prefix: "users" });
    expect(way).toMatchObject({ nc: users, owned: false, inboxPrefix: "_MINE" });
    const turns: string[] = [];
    way.watch((turn) => turns.push(turn));
    await way.close();
    expect(users.isClosed() || users.isDraining()).toBe(false);
    await users.flush();
    expect(turns).toEqual([]);
  });

  test("O5 one that is closed is refused with the mend", async () => {
    const other = await natsConnect({ servers: `127.0.0.1:${server.port}` });
    await other.close();
    expect(await outcome(other)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      mend: expect.stringContaining("open"),
    });
  });

  test("O5 options of the connection are refused beside it", async () => {
    expect(await outcome(users, { user: "u" })).toMatchObject({ code: "INVALID_INPUT", field: "user" });
  });

  test("O1 closed by its owner, its calls were not sent", async () => {
    const other = await natsConnect({ servers: `127.0.0.1:${server.port}` });
    const way = await connect(checkOptions(other, {}));
    const turns: string[] = [];
    way.watch((turn) => turns.push(turn));
    await other.close();
    await until(() => turns.includes("closed"), "closed");
    const error = await jetstream(way.nc)
      .publish("a")
      .catch((thrown: unknown) => thrown);
    expect(asStoreError(error, { writes: true })).toMatchObject({ code: "NOT_WRITTEN" });
    await way.close();
  });
});

describe("O1 what a failed call says of what was written", () => {
  test("O1 a publish that nobody takes, and one that JetStream refuses, have written nothing", async () => {
    const { way } = await opened(server.url, { stream: "FAULTS", prefix: "faults" });
    const thrown = async (work: Promise<unknown>) =>
      asStoreError(await work.catch((error: unknown) => error), { what: "jobs.insert", writes: true });
    expect(await thrown(jetstream(way.nc).publish("nobody.takes.it"))).toMatchObject({ code: "NOT_WRITTEN" });
    const expectation = { expect: { lastSubjectSequence: 7 } };
    expect(await thrown(jetstream(way.nc).publish("faults.journal", "", expectation))).toMatchObject({
      code: "NOT_WRITTEN",
      message: expect.stringMatching(/^jobs\.insert: /),
    });
    const large = new Uint8Array(2 * 1024 * 1024);
    expect(await thrown(jetstream(way.nc).publish("faults.journal", large))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    await way.jsm.streams.update("FAULTS", { max_bytes: 1_000 });
    const fill = async () => {
      for (;;) await jetstream(way.nc).publish("faults.journal", new Uint8Array(300));
    };
    expect(await thrown(fill())).toMatchObject({ code: "NOT_WRITTEN", mend: expect.stringContaining("limits") });
    await way.jsm.streams.delete("FAULTS");
    expect(await thrown(way.jsm.streams.info("FAULTS"))).toMatchObject({
      code: "NOT_WRITTEN",
      message: expect.stringContaining("the stream is gone"),
    });
    await way.close();
  });

  test("O1 nobody knows what a publish did that a server which hangs has not answered", async () => {
    const own = await startNats();
    const { way } = await opened(own.url);
    await own.pause();
    const error = await jetstream(way.nc)
      .publish("scheduler.journal", "", { timeout: 200 })
      .catch((thrown: unknown) => thrown);
    expect(asStoreError(error, { writes: true })).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(asStoreError(error, { writes: false })).toMatchObject({ code: "NOT_WRITTEN" });
    own.resume();
    await way.close();
    await own.close();
  });

  test("O1 nor what one did whose connection was closed", async () => {
    const own = await startNats();
    const { way } = await opened(own.url);
    await own.pause();
    const asked = jetstream(way.nc)
      .publish("scheduler.journal", "")
      .catch((thrown: unknown) => thrown);
    await way.close();
    expect(asStoreError(await asked, { writes: true })).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    own.resume();
    await own.close();
  });
});
