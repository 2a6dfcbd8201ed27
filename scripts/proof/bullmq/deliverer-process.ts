// The deliverer that is killed: a scheduler whose jobs BullMQ executes. Argument: the places, as JSON.
import { createScheduler } from "punctual";
import { bullmqQueue } from "punctual/bullmq";
import { leaseMs, openStore, type Places, work } from "./stage.ts";

const { store, redis, queue } = JSON.parse(process.argv[2] ?? "{}") as Places;
const deliveries = bullmqQueue(queue, { connection: redis });
const scheduler = createScheduler({
  engine: await openStore(store),
  handlers: [deliveries.deliver(work)],
  worker: { lease: leaseMs },
});
// A busy machine takes long to load what BullMQ is made of.
scheduler.on("worker:error", ({ where, error }) => {
  if (where !== "watchdog") console.error(`deliverer, ${where}:`, error);
});
// The connections to BullMQ end with the scheduler.
process.once("SIGTERM", () => void scheduler.stop());
await scheduler.start();
