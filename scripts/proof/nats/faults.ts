// The faults of the chaos proofs on one NATS server: each does its harm to a stage under load and answers once it is over.
import { setTimeout as sleep } from "node:timers/promises";
import { defaults } from "../../../src/core/defaults.ts";
import { type NatsServer, startNats } from "../../services/nats.ts";
import { type Fault, workerKilled, workerStopped } from "../chaos/fault.ts";
import type { Account } from "../chaos/remains.ts";
import { playFault, type RoundOptions } from "../chaos/round.ts";
import { type NatsGround, natsGround } from "./ground.ts";
import { cutPower, stopSyncing } from "./power-cut.ts";
import type { Halved } from "./proxy.ts";

const journal = `${defaults.nats.prefix}.journal`;
/** What connections are cut in the midst of: writes, what followers are sent, and looks for what is new. */
const cuts: readonly (readonly [subject: string, halves: Halved])[] = [
  [journal, "request"],
  [journal, "answer"],
  [journal, "delivery"],
  ["$JS.API.STREAM.MSG.GET.", "request"],
  ["$JS.API.STREAM.MSG.GET.", "answer"],
];
/** How often each of them. */
const cutRounds = 3;
const heldRequests = 3;
const heldMs = 2_000;
/** How much of the journal is lost by the cut of power. */
const unsyncedMs = 2_000;

function now(): number {
  return performance.timeOrigin + performance.now();
}

const serverKilled: Fault<NatsGround> = {
  title: "nats-server is killed with kill -9, and started on its files",
  throughProxy: false,
  async strike({ ground: { server } }) {
    await server.kill();
    await server.start();
    return {};
  },
};

export const faults = {
  "worker-killed": workerKilled,
  "worker-stopped": workerStopped,
  "server-killed": serverKilled,
  "server-killed-unsynced": {
    ...serverKilled,
    title: `${serverKilled.title}; it syncs them every 2 minutes only, as is its default`,
  },
  "connection-cut": {
    title: "connections are cut in the midst of a request, of an answer, and of what a follower is sent",
    throughProxy: true,
    async strike(stage) {
      let done = 0;
      for (let round = 0; round < cutRounds; round++) {
        for (const [subject, halves] of cuts) {
          const before = done;
          void stage.ground.proxy.cutNext(subject, halves).then(() => done++);
          await stage.until(`a cut in the midst of the ${halves} of ${subject}`, () => done > before);
        }
      }
      return { "messages that passed by half": done };
    },
  },
  "late-requests": {
    title: "connections are cut, and what they were about to write arrives when everybody has gone on",
    throughProxy: true,
    async strike({ ground: { proxy } }) {
      for (let n = 0; n < heldRequests; n++) {
        const held = await proxy.holdNext(journal);
        await sleep(heldMs);
        await held.release();
      }
      return { "requests that came late": heldRequests };
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
  "power-cut": {
    title: "the machine loses its power: the last seconds, which were not synced, are gone",
    throughProxy: false,
    mayLose: true,
    forgets: true,
    async strike(stage) {
      const { server } = stage.ground;
      await stopSyncing(server);
      await sleep(unsyncedMs);
      stage.lostAt = now();
      await cutPower(server);
      await server.start();
      return {};
    },
  },
} as const satisfies Record<string, Fault<NatsGround>>;

export type FaultName = keyof typeof faults;

/** Plays a round on a server of its own. @throws when it does not get to its end */
export async function playRound(name: FaultName, options: RoundOptions): Promise<Account> {
  const isSynced = name !== "server-killed-unsynced" && name !== "power-cut";
  const server: NatsServer = await startNats(isSynced ? { syncInterval: "always" } : { inMemory: false });
  try {
    const fault: Fault<NatsGround> = faults[name];
    return await playFault(fault, (how) => natsGround(server, how), options);
  } finally {
    await server.close();
  }
}
