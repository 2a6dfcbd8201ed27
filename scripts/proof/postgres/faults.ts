// The faults of the chaos proofs on PostgreSQL: each does its harm to a stage under load and answers once the harm is over.
import { setTimeout as sleep } from "node:timers/promises";
import type { PostgresServer } from "../../services/postgres.ts";
import { type Fault, latencies, median, workerKilled } from "../chaos/fault.ts";
import type { Account } from "../chaos/remains.ts";
import { playFault, type RoundOptions } from "../chaos/round.ts";
import { type PostgresGround, postgresGround } from "./ground.ts";
import type { Lost } from "./proxy.ts";

const cutsPerRound: readonly Lost[] = ["request", "answer", "request", "answer"];
/** Statements that end attempts. */
const isSettle = (text: string) => /^\s*-- jobs\.(?:settle|complete|finish)\b/.test(text);

export const faults = {
  "worker-killed": workerKilled,
  "server-crashed": {
    title: "the server is stopped with immediate and started",
    throughProxy: false,
    async strike({ ground: { server } }) {
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
        const cut = stage.ground.proxy.cutNext(isSettle, lost).then(() => {
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
    async strike({ ground: { server } }, { pausedMs }) {
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
      const { proxy } = stage.ground;
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
} as const satisfies Record<string, Fault<PostgresGround>>;

export type FaultName = keyof typeof faults;

/** Plays a round on a database of its own. @throws when it does not get to its end */
export async function playRound(name: FaultName, server: PostgresServer, options: RoundOptions): Promise<Account> {
  const fault: Fault<PostgresGround> = faults[name];
  return await playFault(fault, (how) => postgresGround(server, how), options);
}
