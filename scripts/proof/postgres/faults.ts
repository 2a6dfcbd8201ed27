// The faults of the chaos proofs: each does its harm to a stage under load and answers once the harm is over.
import { setTimeout as sleep } from "node:timers/promises";
import type { ChaosStage } from "./chaos-stage.ts";
import { probe, quietQueue, untilAnswered } from "./load.ts";
import type { Lost } from "./proxy.ts";

export interface Fault {
  readonly title: string;
  readonly throughProxy: boolean;
  /** A worker of its own serves the queue of probes. */
  readonly quietWorker?: true;
  /** Answers figures of its own. @throws when it could not do what it says */
  strike(stage: ChaosStage, how: FaultOptions): Promise<Readonly<Record<string, number>>>;
}

export interface FaultOptions {
  /** How long a server is paused: longer than the lease of 2 s, and than what counts as late for a tick. */
  readonly pausedMs: number;
}

const cutsPerRound: readonly Lost[] = ["request", "answer", "request", "answer"];
/** Statements that end attempts. */
const isSettle = (text: string) => /^\s*-- jobs\.(?:settle|complete|finish)\b/.test(text);

export const faults = {
  "worker-killed": {
    title: "a worker is killed with kill -9",
    throughProxy: false,
    async strike(stage) {
      const [victim] = stage.living("worker");
      if (victim === undefined) throw new Error("there is no worker to kill");
      const inHand = () => {
        const own = stage.effects().filter(({ pid }) => pid === victim.pid);
        const ended = own.filter(({ kind }) => kind === "done").length;
        return own.filter(({ kind }) => kind === "started").length - ended;
      };
      await stage.until("the worker to be in the middle of something", () => inHand() > 0);
      victim.isOver = true;
      victim.process.kill("SIGKILL");
      await victim.ended;
      return { "attempts that were under way": inHand() };
    },
  },
  "server-crashed": {
    title: "the server is stopped with immediate and started",
    throughProxy: false,
    async strike({ server }) {
      await server.stop("immediate");
      await server.start();
      return {};
    },
  },
  "settle-cut": {
    title: "a connection is cut in the middle of a settle",
    throughProxy: true,
    async strike(stage) {
      for (const lost of cutsPerRound) {
        let isCut = false;
        const cut = stage.proxy.cutNext(isSettle, lost).then(() => {
          isCut = true;
        });
        await stage.until(`a settle whose ${lost} is lost`, () => isCut);
        await cut;
      }
      return { "settles cut": cutsPerRound.length };
    },
  },
  "server-paused": {
    title: "the server is paused with SIGSTOP for longer than a lease",
    throughProxy: false,
    async strike({ server }, { pausedMs }) {
      await server.pause();
      await sleep(pausedMs);
      server.resume();
      return {};
    },
  },
  "listen-cut": {
    title: "the LISTEN connections are cut, and no new one is let through for a while",
    throughProxy: true,
    quietWorker: true,
    async strike(stage) {
      const { proxy } = stage;
      await stage.until("connections to listen", () => proxy.listening > 0);
      const listening = proxy.listening;
      const before = await latencies(stage, 5);
      const allow = proxy.forbidListen();
      const cut = proxy.cutListening();
      const meanwhile = await latencies(stage, 5);
      allow();
      await stage.until("all to listen again", () => proxy.listening >= listening);
      const after = await latencies(stage, 5);
      return {
        "LISTEN connections cut": cut,
        "start of a probe while they listen, median ms": median(before),
        "... while they cannot": median(meanwhile),
        "... when they do again": median(after),
      };
    },
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** How long jobs for an idle worker lie until they start, in ms, one after another. */
async function latencies(stage: ChaosStage, count: number): Promise<number[]> {
  const waits: number[] = [];
  for (let n = 0; n < count; n++) {
    const sentAt = performance.timeOrigin + performance.now();
    const { id } = await untilAnswered((ids) =>
      stage.scheduler.enqueue(probe, undefined, {
        queue: quietQueue,
        ...(ids?.[0] === undefined ? {} : { id: ids[0] }),
      }),
    );
    const start = () => stage.effects().find(({ kind, job }) => kind === "started" && job === id);
    await stage.until("a probe to start", () => start() !== undefined);
    waits.push((start()?.at ?? 0) - sentAt);
  }
  return waits;
}

function median(values: readonly number[]): number {
  return Math.round((values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0) * 10) / 10;
}
