// After random work of several clients at once, and after clients that were killed in the middle of calls: every key that
// follows from others says what they say, and no two clients were answered what contradicts.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { redis } from "../../src/engines/redis/index.ts";
import { queue, tenant } from "../../src/testing/conformance/builders.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { play } from "../fuzz/sequence.ts";
import { redisStores } from "../fuzz/stores.ts";
import { sharedRedis } from "../servers/shared.ts";
import { Random } from "../simulation/random.ts";
import { expectConsistent, inconsistencies } from "./consistency.ts";
import { drain } from "./drain.ts";
import { fastClock } from "./fast-clock.ts";
import { openDeployment } from "./opened.ts";
import { Account, activeMax, pendingMax, setUp, work } from "./workload.ts";

const patience = { timeout: 120_000 };
const seeds = (process.env["PUNCTUAL_TEST_SEEDS"] ?? "1,2,3,4").split(",").map(Number);

function clientOf(url: string): Redis {
  const client = new Redis(url);
  onTestFinished(() => client.disconnect());
  return client;
}

describe("the derived keys of a deployment", () => {
  test.each(seeds)(
    "J1 J2 J3 J14 S2 S5 T2 T3 N2 J12: six clients at once contradict neither each other nor themselves (%i)",
    patience,
    async (seed) => {
      const { url, newDeployment } = await sharedRedis();
      const prefix = newDeployment();
      const clock = new TestClock();
      const small = { retention: { completedCountMax: 20, endedCountMax: 20 } };
      const engines = await Promise.all(
        Array.from({ length: 6 }, async (_, index) => {
          const engine = redis(url, { clock, prefix, ...(index % 2 === 0 ? small : { audit: "all" as const }) });
          onTestFinished(() => engine.close());
          await engine.open();
          return engine;
        }),
      );
      const [first] = engines;
      if (first === undefined) throw new Error("there are six");
      await setUp(first);
      const account = new Account({ knowsAll: true });
      const pass = (ms: number) => clock.advance(ms);
      const server = clientOf(url);
      for (let round = 0; round < 4; round++) {
        await Promise.all(
          engines.flatMap((engine, index) =>
            [1, 2].map(async (hand) => {
              const random = new Random(`${seed} ${round} ${index} ${hand}`);
              for (let done = 0; done < 30; done++) await work({ engine, random, account, pass });
            }),
          ),
        );
        await expectConsistent(server, prefix);
        await expectLimits(first);
      }
      const left = await drain({ engine: first, pass }, account.accepted);
      await expectConsistent(server, prefix);
      expect([...account.contradictions, ...left]).toEqual([]);
    },
  );

  test(
    "J1 J4 J14 S5 T2: clients killed in the middle of calls leave nothing half done, and every job ends",
    patience,
    async () => {
      const { url, newDeployment } = await sharedRedis();
      const prefix = newDeployment();
      const begin = Date.now();
      const clock = fastClock(begin);
      const engine = redis(url, { prefix, clock });
      onTestFinished(() => engine.close());
      await engine.open();
      await setUp(engine);
      const server = clientOf(url);
      for (let round = 0; round < 3; round++) {
        const random = new Random(round);
        const workers = [1, 2, 3].map((number) => startWorker([url, prefix, `${round} ${number}`, `${begin}`]));
        const said = new Map<ChildProcess, string>();
        for (const worker of workers) {
          worker.stderr?.on("data", (text) => said.set(worker, `${said.get(worker) ?? ""}${text}`));
        }
        await Promise.all(workers.map((worker) => once(worker, "message")));
        for (const worker of workers) {
          await sleep(random.between(50, 250));
          // Only the kill may end it: it ends by itself over an error.
          expect(worker.exitCode === null ? "" : said.get(worker)).toBe("");
          const ended = once(worker, "exit");
          worker.kill("SIGKILL");
          await ended;
        }
        await expectConsistent(server, prefix);
      }
      const left = await drain({ engine, pass: (ms) => clock.advance(ms) }, []);
      await expectConsistent(server, prefix);
      expect(left).toEqual([]);
    },
  );

  test("J14: random sequences of calls of every kind leave them as they should be", patience, async () => {
    const { url, newDeployment } = await sharedRedis();
    const server = clientOf(url);
    let prefix = "";
    const stores = redisStores(url, () => {
      prefix = newDeployment();
      return prefix;
    });
    for (let seed = 20_001; seed <= 20_025; seed++) {
      await play(seed, stores);
      await expectConsistent(server, prefix);
    }
  });

  test("a counter, an index entry, a place, a slot and a name that are wrong are found out", async () => {
    const { engine, server, key } = await openDeployment();
    const prefix = key("").slice(1, -2);
    await insertJob(engine, { key: "a" });
    expect(await inconsistencies(server, prefix)).toEqual([]);
    const [seq = ""] = await server.hkeys(key("jobs"));
    const damages: readonly (readonly [string, ...string[]])[] = [
      ["HINCRBY", key("l:1000000001"), "active", "1"],
      ["HINCRBY", key(`t:${tenant}`), "unfinished", "1"],
      ["SREM", key("i:u:0:g"), "1"],
      ["ZADD", key("I:c:g"), "7", "7"],
      ["ZREM", key("r:1000000001"), seq],
      ["ZADD", key(`a:${queue}`), "1", seq],
      ["HSET", key("slots"), `${tenant}\n${queue}\nb`, "gone\t"],
      ["HSET", key("ids"), "gone", "1"],
      ["SET", key("what"), "is this"],
    ];
    const counts: number[] = [];
    for (const [command, ...args] of damages) {
      await server.call(command, ...args);
      counts.push((await inconsistencies(server, prefix)).length);
    }
    expect(counts.every((count, index) => count > (counts[index - 1] ?? 0))).toBe(true);
  });
});

/** A client of its own process; it is killed at the latest with the test. */
function startWorker(args: readonly string[]): ChildProcess {
  const file = fileURLToPath(new URL("workload-process.ts", import.meta.url));
  const worker = fork(file, args, { execArgv: ["--conditions=source"], silent: true });
  onTestFinished(() => {
    worker.kill("SIGKILL");
  });
  return worker;
}

async function expectLimits({ jobs, tenants }: ReturnType<typeof redis>): Promise<void> {
  const lanes = await jobs.stats({ queue: "limited" });
  expect(lanes.reduce((sum, { active }) => sum + active, 0)).toBeLessThanOrEqual(activeMax);
  const summaries = (await tenants.list({}, { limit: 100 })).items;
  const of = (id: string) => summaries.find((one) => one.id === id);
  expect(of("capped")?.activeJobs ?? 0).toBeLessThanOrEqual(activeMax);
  const { pendingJobs = 0, activeJobs = 0 } = of("guarded") ?? {};
  expect(pendingJobs + activeJobs).toBeLessThanOrEqual(pendingMax);
}
