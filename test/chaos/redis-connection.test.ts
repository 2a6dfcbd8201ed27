// What a connection leaves behind on a socket that is gone, while its driver has not noticed: found by redis-chaos.
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { Connection, type Driver } from "../../src/engines/redis/connection.ts";

test("calls on a socket that is gone add no listener to it", async () => {
  const stream = new Socket();
  stream.destroy();
  const gone = () => Promise.reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"));
  const driver: Driver = {
    status: "ready",
    stream,
    connect: gone,
    disconnect: () => {},
    call: gone,
    pipeline: () => ({ exec: gone }),
    on: () => {},
    off: () => {},
  };
  const connection = new Connection(driver, { connectTimeoutMs: 1_000, answerTimeoutMs: 1_000 });
  const call = () => connection.send({ what: "a call", writes: true }, ({ call }) => call("ping"));
  for (let n = 0; n < 3; n++) await expect(call()).rejects.toMatchObject({ code: "NOT_WRITTEN" });
  expect(stream.eventNames()).not.toContain("connect");
});
