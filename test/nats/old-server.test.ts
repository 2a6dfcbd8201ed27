// Servers that are too old for the NATS engine: told as such, and left as they were.
import { connect as natsConnect } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { NatsServerTooOldError } from "../../src/core/errors.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { checkVersion, versionMin } from "../../src/engines/nats/server-version.ts";
import { outcome } from "./opened.ts";

/** How many messages a server has been asked to keep, and streams. */
async function streamsOf(server: NatsServer): Promise<unknown> {
  const { streams } = (await server.monitor("/jsz")) as { readonly streams: number };
  return streams;
}

describe("D11 a server that is too old", () => {
  test.each(["2.10", "2.9"] as const)(
    "D11 NATS %s is refused with its version and the mend, by URL and by a connection, and nothing is made there",
    async (release) => {
      const server = await startNats({ release });
      const users = await natsConnect({ servers: `${server.host}:${server.port}` });
      try {
        const refusal = {
          code: "NATS_SERVER_TOO_OLD",
          status: 500,
          exitCode: 78,
          message: expect.stringContaining(server.version),
          mend: expect.stringContaining("2.12"),
          details: { version: server.version, versionMin: "2.12" },
        };
        for (const location of [server.url, users]) {
          expect(await outcome(location)).toMatchObject(refusal);
          const engine = nats(location);
          await expect(engine.open()).rejects.toMatchObject(refusal);
          await engine.close();
        }
        expect(await streamsOf(server)).toBe(0);
        expect(users.isClosed()).toBe(false);
      } finally {
        await users.close();
        await server.close();
      }
    },
    30_000,
  );

  test.each(["2.11.9", "2.9.0", "1.4.1", "v2.11.0", "2.11.0-RC.1"])("D11 %s is too old", (version) => {
    expect(() => checkVersion(version)).toThrow(NatsServerTooOldError);
  });

  test.each(["2.12.0", "2.12.0-RC.1", "2.15.1", "v2.13.0", "3.0.0", "10.1.0", "of our own"])(
    "D11 %s is not",
    (version) => {
      expect(() => checkVersion(version)).not.toThrow();
    },
  );

  test("D11 the oldest version is told", () => {
    expect(versionMin).toBe("2.12");
  });
});
