// What a worker process takes while nothing is asked of it, on an empty store and on a full one.
import type { Stage } from "./workload.ts";

interface Idle {
  readonly rssMb: number;
  readonly heapMb: number;
  readonly cpuShare: number;
}

/** Starts a worker with nothing to do, lets it settle, and watches it for 20 s times the scale. */
export async function playIdle(stage: Stage, store: "empty" | "full"): Promise<Idle> {
  const ms = stage.scaled(20_000, 200);
  const worker = await (store === "empty" ? stage.worker() : stage.worker("another"));
  await worker.call("work", 0);
  await worker.call("idle", ms / 10);
  stage.progress(`idling on ${store === "empty" ? "an empty" : "a full"} store`, store === "empty" ? 0 : 1, 2);
  return await worker.call("idle", ms);
}

export function idleFigures(empty: Idle, full: Idle): Readonly<Record<string, number>> {
  return {
    rssMb: empty.rssMb,
    rssMbFull: full.rssMb,
    heapMb: empty.heapMb,
    heapMbFull: full.heapMb,
    cpuShare: empty.cpuShare,
    cpuShareFull: full.cpuShare,
  };
}
