// Eighty random sequences of calls, on NATS and on the memory engine side by side, with one process and with two that take
// turns; scripts/proof/fuzz.ts plays thousands.
import { onTestFinished, test } from "vitest";
import { expectSame } from "../fuzz/expect-same.ts";
import { type NatsProcesses, natsStores } from "../fuzz/stores.ts";
import { sharedNats } from "../servers/shared.ts";

const same = (from: number, to: number, processes: NatsProcesses) => async () => {
  const { url, newDeployment } = await sharedNats();
  const stores = await natsStores(url, newDeployment, processes);
  onTestFinished(() => stores.close());
  await expectSame(processes === 1 ? "nats" : "nats-two-processes", stores, from, to);
};

test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 1-50 have memory's answers on nats", same(1, 50, 1), 60_000);
test(
  "J1 J2 J3 J5 J15 S2 T2 T3 sequences 1-30 have memory's answers where two processes follow",
  same(1, 30, 2),
  120_000,
);
