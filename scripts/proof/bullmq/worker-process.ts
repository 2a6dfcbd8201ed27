// The BullMQ worker that is killed, written as BullMQ's own documentation has it: it knows nothing of Punctual.
import { setTimeout as sleep } from "node:timers/promises";
import { type Job, Worker } from "bullmq";
import { Redis } from "ioredis";
import { type Places, resultOf } from "./stage.ts";

const { redis, queue } = JSON.parse(process.argv[2] ?? "{}") as Places;
const connection = new Redis(redis, { maxRetriesPerRequest: null });

const worker = new Worker(
  queue,
  async (job: Job) => {
    await connection.hincrby(`${queue}-runs`, job.id ?? "", 1);
    await sleep(20 + Math.random() * 20);
    return resultOf(job.data.n, job.attemptsMade);
  },
  // A dead worker's jobs are found soon, and however many workers die under one: the proof kills many.
  { connection, concurrency: 20, lockDuration: 1_000, stalledInterval: 500, maxStalledCount: 100 },
);
worker.on("error", (error) => console.error("worker:", error));
process.once("SIGTERM", async () => {
  await worker.close();
  connection.disconnect();
});
