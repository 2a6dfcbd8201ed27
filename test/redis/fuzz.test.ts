// A hundred random sequences of calls, on Redis and on the memory engine side by side; scripts/proof/fuzz.ts plays
// thousands.
import { test } from "vitest";
import { expectSame } from "../fuzz/expect-same.ts";
import { redisStores } from "../fuzz/stores.ts";
import { sharedRedis } from "../servers/shared.ts";

const same = (from: number, to: number) => async () => {
  const { url, newDeployment } = await sharedRedis();
  await expectSame("redis", redisStores(url, newDeployment), from, to);
};

test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 1-50 have memory's answers on redis", same(1, 50), 60_000);
test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 51-100 have memory's answers on redis", same(51, 100), 60_000);
