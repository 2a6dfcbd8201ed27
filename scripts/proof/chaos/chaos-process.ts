// A process of the chaos proofs: one that enqueues, or one with all three roles. What it did is in its journal; an
// unhandled rejection ends it, as Node does, with a code other than 0 and words on stderr.
// Usage: chaos-process.ts JSON of ChaosProcess
import { createScheduler, type PunctualError } from "punctual";
import { Journal } from "./effects.ts";
import { type ChaosProcess, keepsAll, loadHandlers, Producer } from "./load.ts";
import { engineAt } from "./place.ts";

async function runProcess({ mode, place, folder, audit, leaseMs, queues }: ChaosProcess): Promise<void> {
  const journal = new Journal(folder);
  const scheduler = createScheduler({
    engine: await engineAt(place, { retention: keepsAll, audit }),
    handlers: loadHandlers(journal),
    worker: { lease: leaseMs, concurrency: 10, queues },
  });
  scheduler.on("job:lease-lost", ({ id, attempt }) => journal.write({ kind: "lease-lost", job: id, attempt }));
  scheduler.on("worker:error", ({ where, error }) => {
    const { code = "no code", message = "" } = error as Partial<PunctualError>;
    journal.write({ kind: "error", text: `${where}: ${code}: ${message}` });
  });
  const producer = new Producer(scheduler, journal);
  const ended = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
  if (mode === "worker") await scheduler.start();
  const producing = mode === "producer" ? producer.run() : undefined;
  journal.write({ kind: "ready" });
  await ended;
  producer.end();
  await producing;
  await scheduler.stop({ timeout: "10s" });
}

await runProcess(JSON.parse(process.argv[2] ?? "") as ChaosProcess);
