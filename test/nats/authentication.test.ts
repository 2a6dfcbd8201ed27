// How a process shows a NATS server who it is: every way there is, what each refusal says, and that no message has a secret.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import type { NatsOptions as ServerOptions } from "../../scripts/services/nats-configuration.ts";
import type { PunctualError } from "../../src/core/errors.ts";
import type { NatsOptions } from "../../src/engines/nats/options.ts";
import { opened, outcome, textsOf } from "./opened.ts";

const servers: NatsServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function started(options: ServerOptions): Promise<NatsServer> {
  const server = await startNats(options);
  servers.push(server);
  return server;
}

const withAccess = (server: NatsServer, access: string) => server.url.replace("://", `://${access}@`);
const isOpen = { subject: "scheduler.journal" };

async function refused(location: string, options: NatsOptions = {}): Promise<PunctualError> {
  const error = await outcome(location, options);
  expect(error).toMatchObject({ code: "ENGINE_NOT_CONFIGURED", field: "location", mend: expect.any(String) });
  expect(textsOf(error)).not.toMatch(/r1ght|wr0ng/);
  return error as PunctualError;
}

describe("O5 who is let in", () => {
  test("O5 a user with its password, by the URL and by options", async () => {
    const server = await started({ login: { user: "app", password: "r1ght,@" } });
    expect(await outcome(withAccess(server, "app:r1ght%2C%40"))).toMatchObject(isOpen);
    expect(await outcome(server.url, { user: "app", pass: "r1ght,@" })).toMatchObject(isOpen);
    for (const url of [server.url, withAccess(server, "app:wr0ng"), withAccess(server, "wr0ng")]) {
      expect((await refused(url)).message).toMatch(/refuses to let us in/);
    }
  });

  test("O5 a token, by the URL and by options", async () => {
    const server = await started({ login: { token: "r1ght" } });
    expect(await outcome(withAccess(server, "r1ght"))).toMatchObject(isOpen);
    expect(await outcome(server.url, { token: "r1ght" })).toMatchObject(isOpen);
    await refused(withAccess(server, "wr0ng"));
  });

  test("O5 the seed of an nkey", async () => {
    const server = await started({ login: "nkey" });
    expect(await outcome(server.url, { seed: server.access.seed ?? "" })).toMatchObject(isOpen);
    const other = await started({ login: "nkey" });
    await refused(server.url, { seed: other.access.seed ?? "" });
    const error = await outcome(server.url, { seed: "wr0ng" });
    expect(error).toMatchObject({ code: "INVALID_INPUT", field: "seed" });
    expect(textsOf(error)).not.toContain("wr0ng");
  });

  test("O5 credentials, by their text and by their file, which is read anew when the connection is", async () => {
    const server = await started({ login: "creds" });
    const text = server.access.creds ?? "";
    expect(await outcome(server.url, { creds: text })).toMatchObject(isOpen);
    const path = join(server.directory, "user.creds");
    writeFileSync(path, text);
    const { way } = await opened(server.url, { creds: path });
    const back = new Promise<void>((resolve) => {
      way.watch((turn) => turn === "back" && resolve());
    });
    // Somebody is just writing it.
    writeFileSync(path, text.slice(0, 30));
    await way.nc.reconnect();
    await back;
    expect(await way.jsm.getAccountInfo()).toBeDefined();
    await way.close();
    for (const creds of [join(server.directory, "none.creds"), text.slice(0, 200)]) {
      const error = await outcome(server.url, { creds });
      expect(error).toMatchObject({ code: "INVALID_INPUT", field: "creds" });
      expect(textsOf(error)).not.toContain(text.slice(100, 150));
    }
    await refused(server.url);
  });

  test("O1 a user who is shut out for a while is let in again", async () => {
    const server = await started({ login: { token: "r1ght" } });
    const { way } = await opened(withAccess(server, "r1ght"));
    const turns: string[] = [];
    way.watch((turn) => turns.push(turn));
    const configuration = join(server.directory, "server.conf");
    const text = readFileSync(configuration, "utf8");
    writeFileSync(configuration, text.replace("r1ght", "other"));
    await server.restart();
    const attempts = async () =>
      Number(((await server.monitor("/varz")) as Record<string, unknown>)["total_connections"]);
    while ((await attempts()) < 4) await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(configuration, text);
    await server.restart();
    while (!turns.includes("back")) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(turns).not.toContain("closed");
    expect(await way.jsm.getAccountInfo()).toBeDefined();
    await way.close();
  });
});

describe("O5 TLS", () => {
  test("O5 a server's certificate is checked against the authority that is named", async () => {
    const server = await started({ tls: "server" });
    const { caFile } = server.certificates ?? { caFile: "" };
    expect(await outcome(server.url, { tls: { caFile } })).toMatchObject(isOpen);
    // The server asks for TLS by itself.
    expect(await outcome(server.url.replace("tls:", "nats:"), { tls: { caFile } })).toMatchObject(isOpen);
    for (const url of [server.url, server.url.replace("tls:", "nats:")]) {
      expect((await refused(url)).message).toMatch(/certificate/);
    }
    expect((await refused(server.url, { tls: { caFile: join(server.directory, "none.pem") } })).message).toMatch(
      /cannot be read/,
    );
  });

  test("O5 ours is shown where the server asks for one", async () => {
    const server = await started({ tls: "clients-too" });
    const { caFile, client } = server.certificates ?? { caFile: "", client: { certFile: "", keyFile: "" } };
    expect(await outcome(server.url, { tls: { caFile, ...client } })).toMatchObject(isOpen);
    expect(await outcome(server.url, { tls: { caFile } })).toMatchObject({
      code: expect.stringMatching(/ENGINE_NOT_CONFIGURED|NOT_WRITTEN/),
    });
  });
});

describe("O5 what a user may do", () => {
  test("O5 rights that lack are told by the subject", async () => {
    const server = await started({
      settings: {
        authorization: {
          users: [
            { user: "blind", password: "r1ght", permissions: { publish: [">"], subscribe: ["nothing"] } },
            { user: "mute", password: "r1ght", permissions: { publish: ["$JS.API.INFO"], subscribe: [">"] } },
          ],
        },
      },
    });
    const mute = await refused(withAccess(server, "mute:r1ght"));
    expect(mute.message).toMatch(/lacks a right/);
    expect(mute.mend).toMatch(/publish to \$JS\.API\.STREAM\.INFO\.SCHEDULER/);
    const blind = await refused(withAccess(server, "blind:r1ght"));
    expect(blind.mend).toMatch(/subscribe to _INBOX/);
  });

  test("O5 an inbox of its own, and the rights that the engine needs at opening, suffice", async () => {
    const permissions = {
      publish: [
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.SCHEDULER",
        "$JS.API.STREAM.CREATE.SCHEDULER",
        "scheduler.journal",
      ],
      subscribe: ["_MINE.>"],
    };
    const server = await started({
      settings: { authorization: { users: [{ user: "app", password: "r1ght", permissions }] } },
    });
    expect(await outcome(withAccess(server, "app:r1ght"), { inboxPrefix: "_MINE" })).toMatchObject(isOpen);
  });

  test("O5 an account without JetStream is told so", async () => {
    const server = await started({
      settings: {
        accounts: {
          WITH: { jetstream: "enabled", users: [{ user: "with", password: "r1ght" }] },
          WITHOUT: { users: [{ user: "without", password: "r1ght" }] },
        },
      },
    });
    expect(await outcome(withAccess(server, "with:r1ght"))).toMatchObject(isOpen);
    expect((await refused(withAccess(server, "without:r1ght"))).message).toMatch(/switched off for this account/);
  });
});
