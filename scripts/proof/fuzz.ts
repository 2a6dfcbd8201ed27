// Proof that an engine gives the answers that the memory engine gives, which is the specification: random sequences of
// calls on both, side by side on one clock. A sequence follows from its seed; the shortest that fails is printed.
// Usage: node --conditions=source scripts/proof/fuzz.ts --help
import { parseArgs } from "node:util";
import type { Call } from "../../test/fuzz/call.ts";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import {
  type NatsProcesses,
  natsStores,
  postgresStores,
  redisStores,
  type Stores,
  sqliteStores,
} from "../../test/fuzz/stores.ts";
import { startNats } from "../services/nats.ts";
import { startPostgres } from "../services/postgres.ts";
import { startRedis } from "../services/redis.ts";
import type { RedisKind } from "../services/redis-binaries.ts";
import { Verdict } from "./verdict.ts";

const usage = `Usage: node --conditions=source scripts/proof/fuzz.ts
  --engine sqlite|postgres|redis|valkey|nats|nats-two-processes
                                          which engine; sqlite by default
  --sequences 1000                        how many sequences, each of 20 to 60 calls
  --seed 1                                the first one's seed; the others follow. Alone: that one sequence
  --failures 3                            stop after so many that fail`;

/** Ends with 2, as every wrong usage of a script does. */
function misused(why: string): never {
  console.error(`${why}\n${usage}`);
  process.exit(2);
}

function readFlags() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
}

function count(text: string, option: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1
    ? value
    : misused(`${option} must be a whole number above 0, got ${text}`);
}

const options = {
  help: { type: "boolean", short: "h" },
  engine: { type: "string", default: "sqlite" },
  sequences: { type: "string" },
  seed: { type: "string" },
  failures: { type: "string", default: "3" },
} as const;
const flags = readFlags();
if (flags.help === true) {
  console.log(usage);
  process.exit(0);
}

const openers: Readonly<Record<string, () => Promise<Stores>>> = {
  sqlite: async () => sqliteStores(),
  postgres: openPostgres,
  redis: () => openRedis("redis"),
  valkey: () => openRedis("valkey"),
  nats: () => openNats(1),
  "nats-two-processes": () => openNats(2),
};

async function openPostgres(): Promise<Stores> {
  const server = await startPostgres({ version: 15, durable: false });
  const stores = await postgresStores(await server.newDatabase());
  return { ...stores, close: () => stores.close().then(() => server.close()) };
}

async function openRedis(kind: RedisKind): Promise<Stores> {
  const server = await startRedis({ kind });
  let made = 0;
  const stores = redisStores(server.url, () => `fuzz-${made++}`);
  return {
    ...stores,
    make: async (given) => {
      // Of the sequence before nothing is in use.
      await server.command("FLUSHALL");
      return stores.make(given);
    },
    close: () => server.close(),
  };
}

async function openNats(processes: NatsProcesses): Promise<Stores> {
  const server = await startNats();
  let made = 0;
  const stores = await natsStores(server.url, () => `fuzz-${made++}`, processes);
  return { ...stores, close: () => stores.close().then(() => server.close()) };
}

const { engine } = flags;
const open = openers[engine] ?? misused(`--engine must be one of ${Object.keys(openers).join(", ")}, got ${engine}`);
const first = count(flags.seed ?? "1", "--seed");
const sequences = count(flags.sequences ?? (flags.seed === undefined ? "1000" : "1"), "--sequences");
const failuresMax = count(flags.failures, "--failures");

const verdict = new Verdict();
const failed: string[] = [];
const calls = new Map<Call["op"], number>();
const startedAt = performance.now();
const stores = await open();
let played = 0;
try {
  for (let seed = first; seed < first + sequences && failed.length < failuresMax; seed++) {
    const outcome = await fuzz(seed, engine, stores);
    played++;
    for (const { op } of outcome.played.calls) calls.set(op, (calls.get(op) ?? 0) + 1);
    if (outcome.failure !== undefined) {
      console.log(outcome.failure);
      failed.push(`seed ${seed}`);
    }
    if (played % 500 === 0) console.log(`  ${played} sequences in ${seconds()} s, ${failed.length} failed`);
  }
} finally {
  await stores.close();
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1_000).toFixed(1);
}

verdict.figure("engine", engine);
verdict.figure("sequences", played);
verdict.figure("first seed", first);
for (const [op, times] of [...calls].sort(([, a], [, b]) => b - a)) verdict.figure(op, times);
verdict.figure("seconds", seconds());
verdict.none("sequences with another answer than memory's", failed);
verdict.conclude("fuzz");
