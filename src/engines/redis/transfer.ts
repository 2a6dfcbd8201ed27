// A whole store as values and back: the contract's TransferStore in Redis.
import type { TransferStore } from "../../core/engine.ts";
import type { TransferCounts, TransferOutcome } from "../../core/transfer.ts";
import { readPageFrom } from "../../core/transfer-page.ts";
import { transferNowScript, transferWriteScript } from "./scripts/transfer.ts";
import type { Access } from "./store.ts";
import { SortedNames } from "./transfer-names.ts";
import { transferPlan } from "./transfer-plan.ts";
import { readKind } from "./transfer-reading.ts";

export function transferStore(access: Access): TransferStore {
  const { client } = access;
  const source = {
    access,
    lanes: new SortedNames(access, "lanes"),
    used: new SortedNames(access, "idempotency"),
  };
  return {
    read: async (request) => {
      const now = Number(await client.run(transferNowScript, [access.testNow()]));
      return readPageFrom(request, (kind, after, limit) => readKind(source, kind, { after, limit, now }));
    },
    counts: () => counts(access),
    write: async ({ items, remove, guard }) => {
      const guarded = guard === undefined ? ["", "", ""] : ["1", guard.key, guard.value];
      const plan = transferPlan({ items, remove });
      return (await client.run(transferWriteScript, [access.testNow(), ...guarded, ...plan])) as TransferOutcome;
    },
  };
}

async function counts({ client }: Access): Promise<TransferCounts> {
  const hashes = ["queues", "tenants", "jobs", "lanes", "idempotency", "records", "schedules"];
  const [event, ...sizes] = await client.read([["XLEN", "events"], ...hashes.map((key) => ["HLEN", key] as const)]);
  const [queue = 0, tenant = 0, job = 0, lane = 0, idempotency = 0, record = 0, schedule = 0] = sizes.map(Number);
  return { queue, tenant, job, lane, idempotency, record, event: Number(event), eventSequence: 1, schedule };
}
