// fastq: a queue inside one process that keeps nothing, the bar for our memory engine. As many at once as ours.
import type { Subject } from "../runner/subject.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { queue: "fastq" };

interface Queue {
  push(item: { readonly sequence: number }): Promise<void>;
  pause(): void;
  resume(): void;
  length(): number;
  running(): number;
}

interface Fastq {
  readonly default: {
    promise(run: (item: { readonly sequence: number }) => Promise<void>, concurrency: number): Queue;
  };
}

export const subject: Subject = {
  name: "fastq",
  durable: false,
  abilities: ["enqueue", "bulk", "work"],
  configs: ["default"],
  package: "fastq",
  open: async () => {
    const { default: fastq } = (await import(packages.queue)) as Fastq;
    let onJob: (sequence: number) => void = () => {};
    let completed = 0;
    const queue = fastq.promise(async ({ sequence }) => {
      onJob(sequence);
      completed++;
    }, 5);
    queue.pause();
    // The promise of push is that of the work, not of having been queued.
    const push = (sequence: number) => {
      queue.push({ sequence }).catch(console.error);
    };
    return {
      enqueue: async ({ sequence }) => push(sequence),
      enqueueMany: async (items) => {
        for (const { sequence } of items) push(sequence);
      },
      work: async (handler) => {
        onJob = handler;
        queue.resume();
      },
      tally: async () => ({ completed, unfinished: queue.length() + queue.running() }),
      close: async () => {},
    };
  },
};
