// A whole store as values and back: the contract's TransferStore in PostgreSQL. Each kind is written and removed as a whole,
// however many items there are of it.
import type { TransferStore } from "../../core/engine.ts";
import {
  type ItemOf,
  type TransferCounts,
  type TransferKind,
  type TransferWrite,
  transferKinds,
} from "../../core/transfer.ts";
import { readPageFrom } from "../../core/transfer-page.ts";
import { lockQueues, lockTenants } from "./claim-locks.ts";
import { numberEvents } from "./event-order.ts";
import { foldLanes } from "./lanes.ts";
import type { Step, Steps } from "./steps.ts";
import { eventSequenceTransfer, eventTransfer, idempotencyTransfer, recordTransfer } from "./transfer-history.ts";
import { jobTransfer } from "./transfer-jobs.ts";
import type { KindTransfer, ReadRequest } from "./transfer-kind.ts";
import { laneCount, laneTransfer } from "./transfer-lanes.ts";
import { queueTransfer, scheduleTransfer, tenantTransfer } from "./transfer-settings.ts";

const guardStatement = `-- transfer.guard
SELECT 1 AS found FROM punctual.records WHERE key = $1 AND value = $2 FOR UPDATE`;

// Counting a large store takes longer than a statement of daily work.
const patienceStatement = "-- transfer.patience\nSELECT set_config('statement_timeout', '0', true)";

const countsStatement = `-- transfer.counts
SELECT (SELECT count(*) FROM punctual.queues)::float8 AS queue,
  (SELECT count(*) FROM punctual.tenants)::float8 AS tenant,
  ((SELECT count(*) FROM punctual.jobs) + (SELECT count(*) FROM punctual.finished))::float8 AS job,
  ${laneCount}::float8 AS lane,
  (SELECT count(*) FROM punctual.idempotency)::float8 AS idempotency,
  (SELECT count(*) FROM punctual.records)::float8 AS record,
  (SELECT count(*) FROM punctual.events)::float8 AS event,
  1::float8 AS "eventSequence",
  (SELECT count(*) FROM punctual.schedules)::float8 AS schedule`;

export function transferStore(steps: Steps): TransferStore {
  return {
    read: async (request) => {
      const now = await steps.now();
      return readPageFrom(request, async (kind, after, limit) => {
        await settle(steps, kind);
        return readKind(steps, kind, { after, limit, now });
      });
    },
    counts: () =>
      steps.connections.transaction(
        async (session) => {
          await session.run(patienceStatement);
          const [row] = await session.run(countsStatement);
          return row as TransferCounts;
        },
        { patient: true },
      ),
    write: async (request) => {
      const outcome = await steps.begin((step) => writeAll(step, request));
      return outcome;
    },
  };
}

/** What others leave to be done later is done now: it is part of what is read. */
async function settle(steps: Steps, kind: TransferKind): Promise<void> {
  if (kind === "event") await numberEvents(steps);
  // Lanes that have filled enter the fair share as they are folded.
  if (kind === "lane") while (await foldLanes(steps.connections));
}

function readKind<Kind extends TransferKind>(
  { connections }: Steps,
  kind: Kind,
  request: ReadRequest,
): Promise<ItemOf<Kind>[]> {
  return kinds[kind].read(connections, request);
}

async function writeAll(step: Step, { items, remove, guard }: TransferWrite): Promise<"written" | "lost"> {
  const { session } = step;
  await lockClaims(step, { items, remove });
  if (guard !== undefined && (await session.run(guardStatement, [guard.key, guard.value])).length === 0) return "lost";
  for (const kind of transferKinds) {
    const names = remove.flatMap((position) => (position.kind === kind ? [position.name] : []));
    if (names.length > 0) await kinds[kind].remove(step, names);
  }
  for (const kind of transferKinds) await writeKind(step, kind, items as readonly ItemOf<typeof kind>[]);
  return "written";
}

function writeKind<Kind extends TransferKind>(step: Step, kind: Kind, items: readonly ItemOf<TransferKind>[]) {
  const own = items.filter((item): item is ItemOf<Kind> => item.kind === kind);
  return own.length === 0 ? undefined : kinds[kind].write(step, own);
}

/** Claims move lanes, and count what tenants' limits leave: they are waited for before any row is locked. */
async function lockClaims({ session }: Step, { items, remove }: TransferWrite): Promise<void> {
  const queues = [
    ...items.flatMap((item) => (item.kind === "lane" ? [item.queue] : [])),
    ...remove.flatMap(({ kind, name }) => (kind === "lane" ? [String(name[0])] : [])),
  ];
  const withTenants = [...items, ...remove].some(({ kind }) => kind === "tenant");
  if (queues.length > 0) await session.run(...lockQueues([...new Set(queues)]));
  if (withTenants) await session.run(...lockTenants([], true));
}

const kinds: { readonly [Kind in TransferKind]: KindTransfer<Kind> } = {
  queue: queueTransfer,
  tenant: tenantTransfer,
  job: jobTransfer,
  lane: laneTransfer,
  idempotency: idempotencyTransfer,
  record: recordTransfer,
  event: eventTransfer,
  eventSequence: eventSequenceTransfer,
  schedule: scheduleTransfer,
};
