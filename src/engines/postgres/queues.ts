// Queues in PostgreSQL: the contract's QueueStore.
import { queueEvent } from "../../core/audit.ts";
import { defaults } from "../../core/defaults.ts";
import type { QueueStore } from "../../core/engine.ts";
import { changeQueue, everyQueue, type Queue, type QueueChange } from "../../core/queue.ts";
import { Names } from "../../core/workspace/names.ts";
import { findQueues, type QueueRow, queueColumns, saveQueue, toQueue } from "./queue-rows.ts";
import type { Step, Steps } from "./steps.ts";

const listStatement = `-- queues.list
SELECT ${queueColumns} FROM punctual.queues
UNION ALL
SELECT DISTINCT queue, false, NULL::integer, NULL, NULL FROM punctual.lanes
WHERE queue NOT IN (SELECT name FROM punctual.queues)
ORDER BY name`;

export function queueStore(steps: Steps): QueueStore {
  return {
    put: (changes, actor) => steps.begin((step) => putAll(step, changes, actor)),
    list: async () => ((await steps.connections.run(listStatement)) as QueueRow[]).map(toQueue),
  };
}

async function putAll(step: Step, changes: readonly QueueChange[], actor: string | undefined): Promise<Queue[]> {
  const stored = await findQueues(step.session, [...new Set(changes.map(({ name }) => name))], true);
  const queues = new Map([...stored].map(([name, { queue }]) => [name, queue]));
  const after = await step.decide(new Names(), (workspace) =>
    changes.map((change) => {
      const before = queues.get(change.name);
      const changed = changeQueue(before, change);
      queues.set(change.name, changed);
      workspace.append(queueEvent(before, changed, defaults.tenant, step.now, actor));
      if (change.name === everyQueue) workspace.everythingChanged();
      else workspace.wake(change.name, step.now);
      return changed;
    }),
  );
  for (const [name, queue] of queues) await saveQueue(step.session, queue, !stored.has(name));
  return after;
}
