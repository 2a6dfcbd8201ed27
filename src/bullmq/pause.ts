// Carries a pause at Punctual over to BullMQ's queue, and back when it ends. A key beside BullMQ's says that the pause is ours,
// so that whoever delivers next can end it, and an operator's own pause is left alone.
import type { WorkerHost } from "../index.ts";
import type { Link } from "./link.ts";

/** Between two looks, in ms. */
const followMs = 1_000;

export interface Followed {
  readonly host: Pick<WorkerHost, "stats" | "report">;
  readonly link: () => Promise<Link>;
  /** Queues that deliver into it; all of them must be paused. Empty: only a pause of everything counts. */
  readonly queues: () => readonly string[];
}

/** Follows from now on; call the answer to stop. */
export function followPause(followed: Followed): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const turn = async () => {
    try {
      await followOnce(followed);
    } catch (error) {
      if (!stopped) followed.host.report(error, "bullmq");
    }
    if (!stopped) timer = setTimeout(turn, followMs).unref();
  };
  void turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/** One look at Punctual, and what it means for BullMQ. */
export async function followOnce({ host, link, queues }: Followed): Promise<void> {
  const isPaused = await isPausedHere(host, queues());
  // Whoever connects tells why it cannot.
  const opened = await link().catch(() => undefined);
  if (opened !== undefined) await carryOver(opened, isPaused);
}

async function isPausedHere(host: Followed["host"], queues: readonly string[]): Promise<boolean> {
  // Of one tenant: which queues are paused is the same for all, and one lane is cheap to count.
  const { paused, pausedQueues } = await host.stats({ tenant: "default", queue: queues[0] ?? "default" });
  return paused || (queues.length > 0 && queues.every((queue) => pausedQueues.includes(queue)));
}

async function carryOver({ connection: { client }, queue }: Link, isPaused: boolean): Promise<void> {
  const mark = queue.toKey("punctual-paused");
  const isOurs = (await client.exists(mark)) === 1;
  if (isPaused && !isOurs && !(await queue.isPaused())) {
    // Marked first: a mark without a pause is ended in vain, a pause without a mark never.
    await client.set(mark, "1");
    await queue.pause();
  } else if (!isPaused && isOurs) {
    await queue.resume();
    await client.del(mark);
  }
}
