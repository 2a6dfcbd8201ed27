// A client that works until it is killed. Arguments: URL, prefix, seed, the instant at which it was started first.
import { redis } from "../../src/engines/redis/index.ts";
import { Random } from "../simulation/random.ts";
import { fastClock } from "./fast-clock.ts";
import { Account, work } from "./workload.ts";

const [url = "", prefix = "", seed = "", begin = ""] = process.argv.slice(2);
const account = new Account({ knowsAll: false });
const engine = redis(url, { prefix, clock: fastClock(Number(begin)), retention: { completedCountMax: 20 } });
await engine.open();
process.send?.("works");
// Several calls are on their way at any time.
await Promise.all(
  [1, 2, 3].map(async (hand) => {
    const random = new Random(`${seed} ${hand}`);
    for (;;) {
      await work({ engine, random, account, pass: () => {} });
      if (account.contradictions.length > 0) throw new Error(account.contradictions.join("\n"));
    }
  }),
);
