// The long proofs, one after another: each is a program of its own that exits non-zero when it falls short.
// Usage: node scripts/soak.ts [part of a name]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

interface Proof {
  readonly name: string;
  readonly command: readonly string[];
}

const proofs: readonly Proof[] = [
  { name: "kill-nine", command: ["--conditions=source", "scripts/proof/kill-nine.ts", "--times", "20"] },
  { name: "two-serves", command: ["--conditions=source", "scripts/proof/two-serves.ts", "--seconds", "60"] },
  {
    name: "two-serves on Node 22",
    command: ["--conditions=source", "scripts/proof/two-serves.ts", "--seconds", "60", "--node22"],
  },
  { name: "drift", command: ["--conditions=source", "scripts/proof/drift.ts", "--seconds", "120"] },
  { name: "skewed-tickers", command: ["--conditions=source", "scripts/proof/skewed-tickers.ts", "--seconds", "30"] },
  { name: "limit-race", command: ["--conditions=source", "scripts/proof/limit-race.ts"] },
  { name: "fairness", command: ["--conditions=source", "scripts/proof/fairness.ts", "--rounds", "3"] },
  { name: "postgres-chaos", command: ["--conditions=source", "scripts/proof/postgres-chaos.ts", "--times", "20"] },
  { name: "postgres-held", command: ["--conditions=source", "scripts/proof/postgres-held.ts", "--held", "60"] },
  { name: "postgres-outbox", command: ["--conditions=source", "scripts/proof/postgres-outbox.ts"] },
  { name: "postgres-plans", command: ["--conditions=source", "scripts/proof/postgres-plans.ts"] },
  { name: "postgres-rows", command: ["--conditions=source", "scripts/proof/postgres-rows.ts"] },
  { name: "redis-chaos", command: ["--conditions=source", "scripts/proof/redis-chaos.ts", "--times", "20"] },
  {
    name: "redis-chaos with everysec",
    command: ["--conditions=source", "scripts/proof/redis-chaos.ts", "--times", "20", "--fsync", "everysec"],
  },
  { name: "redis-failover", command: ["--conditions=source", "scripts/proof/redis-failover.ts", "--times", "20"] },
  { name: "nats-chaos", command: ["--conditions=source", "scripts/proof/nats-chaos.ts", "--times", "20"] },
  { name: "nats-deferred", command: ["--conditions=source", "scripts/proof/nats-deferred.ts"] },
  { name: "bullmq-deliveries", command: ["--conditions=source", "scripts/proof/bullmq-deliveries.ts"] },
  { name: "copy", command: ["--conditions=source", "scripts/proof/copy.ts"] },
  { name: "upgrade", command: ["--conditions=source", "scripts/proof/upgrade.ts"] },
  { name: "startup", command: ["--conditions=source", "scripts/proof/startup.ts"] },
  { name: "package", command: ["--conditions=source", "scripts/proof/package.ts"] },
  { name: "recipes", command: ["--conditions=source", "scripts/proof/recipes.ts"] },
  { name: "simulation", command: ["--conditions=source", "scripts/proof/simulation.ts", "--seeds", "1-1000"] },
  {
    name: "simulation over sqlite",
    command: ["--conditions=source", "scripts/proof/simulation.ts", "--seeds", "1-500", "--engine", "sqlite"],
  },
  { name: "fuzz", command: ["--conditions=source", "scripts/proof/fuzz.ts", "--sequences", "5000"] },
  {
    name: "fuzz of redis",
    command: ["--conditions=source", "scripts/proof/fuzz.ts", "--engine", "redis", "--sequences", "5000"],
  },
  {
    name: "fuzz of nats",
    command: ["--conditions=source", "scripts/proof/fuzz.ts", "--engine", "nats", "--sequences", "5000"],
  },
  {
    name: "fuzz of nats with two processes",
    command: ["--conditions=source", "scripts/proof/fuzz.ts", "--engine", "nats-two-processes", "--sequences", "2000"],
  },
  { name: "year", command: ["--conditions=source", "scripts/proof/year.ts"] },
  { name: "cron speed", command: ["--expose-gc", "bench/cron.ts"] },
];

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const part = process.argv[2] ?? "";
const chosen = proofs.filter(({ name }) => name.includes(part));
const failed = chosen.filter(({ name, command }) => {
  console.log(`\n== ${name}`);
  return spawnSync(process.execPath, command, { stdio: ["ignore", "inherit", "inherit"] }).status !== 0;
});
console.log(`\n${chosen.length - failed.length} of ${chosen.length} proofs held`);
for (const { name } of failed) console.log(`fell short: ${name}`);
process.exitCode = failed.length > 0 || chosen.length === 0 ? 1 : 0;
