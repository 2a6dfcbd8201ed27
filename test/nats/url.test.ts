// NATS URLs and options, as far as they can be judged before anything is connected.
import { describe, expect, test } from "vitest";
import type { PunctualError } from "../../src/core/errors.ts";
import type { Location } from "../../src/engines/nats/location.ts";
import { checkOptions, type NatsOptions } from "../../src/engines/nats/options.ts";
import { readUrls } from "../../src/engines/nats/url.ts";

const nobody = { user: undefined, pass: undefined, token: undefined, tls: false };

function refusal(location: unknown, options: NatsOptions = {}): PunctualError {
  try {
    checkOptions(location as Location, options);
  } catch (error) {
    return error as PunctualError;
  }
  throw new Error("it was taken");
}

describe("O5 a NATS URL", () => {
  test.each([
    ["nats://h", { ...nobody, servers: ["h:4222"] }],
    ["NATS://h:1/", { ...nobody, servers: ["h:1"] }],
    ["tls://h", { ...nobody, servers: ["h:4222"], tls: true }],
    ["nats://[::1]:7", { ...nobody, servers: ["[::1]:7"] }],
    ["nats://s3cret@h", { ...nobody, servers: ["h:4222"], token: "s3cret" }],
    ["nats://u:p%40%2C@h", { ...nobody, servers: ["h:4222"], user: "u", pass: "p@," }],
    ["nats://a:1,b:2, c", { ...nobody, servers: ["a:1", "b:2", "c:4222"] }],
    ["nats://u:p@a,b:2,nats://u:p@c", { ...nobody, servers: ["a:4222", "b:2", "c:4222"], user: "u", pass: "p" }],
    [["nats://t@a", "nats://t@b,a"], { ...nobody, servers: ["a:4222", "b:4222"], token: "t" }],
  ])("O5 %j is read", (location, what) => {
    expect(readUrls(location)).toEqual(what);
  });

  const unreadable: readonly [string, unknown, RegExp][] = [
    ["another scheme", "http://u:wr0ng@h", /nats: or tls:/],
    ["no scheme", "h:4222", /nats: or tls:|read/],
    ["a WebSocket's", "wss://u:wr0ng@h", /WebSocket/],
    ["no host", "nats://", /host/],
    ["nothing", "", /read/],
    ["no URL at all", [], /server/],
    ["a parameter", "nats://u:wr0ng@h?name=x", /parameters/],
    ["a path", "nats://u:wr0ng@h/jobs", /path/],
    ["a # in the password", "nats://u:wr0ng#x@h", /escaped|parameters|read/],
    ["a % in the password", "nats://u:wr0ng%x@h", /escaped/],
    ["a comma in the password", "nats://u:wr0ng,x@h", /read|different/],
    ["a password without a user", "nats://:wr0ng@h", /no user/],
    ["two users", "nats://u:wr0ng@a,nats://v:wr0ng@b", /different/],
    ["two schemes", "nats://a,tls://b", /different/],
    ["what is no text", [7], /texts/],
  ];

  test.each(unreadable)("O5 one with %s is refused before anything is connected", (_, location, what) => {
    const error = refusal(location);
    expect(error).toMatchObject({ code: "INVALID_INPUT", field: "location", message: expect.stringMatching(what) });
    expect(`${error} ${error.mend}`).not.toContain("wr0ng");
  });

  test.each([[undefined], [7], [{}], [null], [{ request() {} }]])("O5 %j is no location", (location) => {
    expect(refusal(location)).toMatchObject({ code: "INVALID_INPUT", field: "location" });
  });
});

describe("O5 options of the NATS engine", () => {
  const wrong: readonly [NatsOptions | object, string][] = [
    [{ prefx: "a" }, "prefx"],
    [{ prefix: "" }, "prefix"],
    [{ prefix: "a b" }, "prefix"],
    [{ prefix: "a.*" }, "prefix"],
    [{ prefix: "a..b" }, "prefix"],
    [{ prefix: "$JS" }, "prefix"],
    [{ prefix: "é" }, "prefix"],
    [{ prefix: "x".repeat(65) }, "prefix"],
    [{ subjectPrefix: ">" }, "subjectPrefix"],
    [{ prefix: "a", subjectPrefix: "a" }, "subjectPrefix"],
    [{ stream: "a.b" }, "stream"],
    [{ stream: 7 }, "stream"],
    [{ streamName: "" }, "streamName"],
    [{ stream: "A", streamName: "A" }, "streamName"],
    [{ replicas: 0 }, "replicas"],
    [{ replicas: 6 }, "replicas"],
    [{ storage: "disk" }, "storage"],
    [{ mustExist: "no" }, "mustExist"],
    [{ migrate: 1 }, "migrate"],
    [{ cleanFromBytes: 0.5 }, "cleanFromBytes"],
    [{ audit: "some" }, "audit"],
    [{ user: "" }, "user"],
    [{ pass: "wr0ng" }, "pass"],
    [{ token: 7 }, "token"],
    [{ user: "u", token: "wr0ng" }, "token"],
    [{ seed: "wr0ng", creds: "wr0ng" }, "creds"],
    [{ tls: true }, "tls"],
    [{ tls: { cafile: "x" } }, "tls.cafile"],
    [{ tls: { caFile: 7 } }, "tls.caFile"],
    [{ tls: { rejectUnauthorized: "no" } }, "tls.rejectUnauthorized"],
    [{ inboxPrefix: "a.>" }, "inboxPrefix"],
    [{ domain: "a.b" }, "domain"],
    [{ domain: "" }, "domain"],
    [{ jetStreamReadyTimeout: "soon" }, "jetStreamReadyTimeout"],
    [{ startupStreamReadyTimeout: 0 }, "startupStreamReadyTimeout"],
    [{ startPhaseTimeout: -1 }, "startPhaseTimeout"],
    [{ addJobRetryBudget: "x" }, "addJobRetryBudget"],
    [{ publishRetry: { tries: 3 } }, "publishRetry.tries"],
    [{ publishRetry: { attempts: 0 } }, "publishRetry.attempts"],
    [{ publishRetry: { initialBackoff: "x" } }, "publishRetry.initialBackoff"],
    [{ duplicatesWindow: "x" }, "duplicatesWindow"],
    [{ reconcilerInterval: "x" }, "reconcilerInterval"],
    [{ loadJobsConcurrency: 1.5 }, "loadJobsConcurrency"],
    [{ consumerName: 7 }, "consumerName"],
    [{ onceKey: "" }, "onceKey"],
  ];

  test.each(wrong)("O5 %j is refused by its name", (options, field) => {
    const error = refusal("nats://h", options as NatsOptions);
    expect(error).toMatchObject({ code: "INVALID_INPUT", field });
    expect(`${error} ${error.mend}`).not.toContain("wr0ng");
  });

  test("O5 a user in the URL and another one in the options is refused", () => {
    expect(refusal("nats://u:p@h", { user: "v" })).toMatchObject({ field: "user" });
    expect(refusal("nats://t@h", { seed: "S" })).toMatchObject({ field: "seed" });
  });

  test("the configuration of a weedbox scheduler is taken as it is", () => {
    const settings = checkOptions("nats://h", {
      streamName: "SCHEDULER",
      subjectPrefix: "scheduler",
      consumerName: "scheduler-worker",
      jobBucket: "SCHEDULER_JOBS",
      execBucket: "SCHEDULER_EXECUTIONS",
      duplicatesWindow: "24h",
      reconcilerInterval: "30s",
      reconcilerGracePeriod: "30s",
      addJobRetryBudget: "5s",
      startupStreamReadyTimeout: "20s",
      jetStreamReadyTimeout: "10s",
      startPhaseTimeout: "40s",
      loadJobsConcurrency: 32,
      loadJobsAsyncPublishTimeout: "30s",
      onceKey: "scheduler.init",
      publishRetry: { attempts: 3, initialBackoff: "1s" },
    });
    expect(settings).toMatchObject({
      stream: "SCHEDULER",
      prefix: "scheduler",
      callMs: 5_000,
      startup: { connectMs: 40_000, jetStreamMs: 10_000, streamMs: 20_000 },
    });
    expect(checkOptions("nats://h", {})).toMatchObject({ stream: "SCHEDULER", prefix: "scheduler", replicas: 1 });
  });
});
