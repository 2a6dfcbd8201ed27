// Queues in memory: the contract's QueueStore over the world.
import { queueEvent } from "../core/audit.ts";
import { defaults } from "../core/defaults.ts";
import type { QueueStore } from "../core/engine.ts";
import { changeQueue, everyQueue, type Queue } from "../core/queue.ts";
import type { Run } from "./run.ts";

export function queueStore(run: Run): QueueStore {
  return {
    put: (changes, actor) =>
      run((world, now) =>
        changes.map((change) => {
          const before = world.queues.get(change.name);
          const after = changeQueue(before, change);
          world.saveQueue(after);
          world.append(queueEvent(before, after, defaults.tenant, now, actor));
          world.signal(
            change.name === everyQueue ? { kind: "changed" } : { kind: "wake", queue: change.name, dueAt: now },
            now,
          );
          return after;
        }),
      ),
    list: () =>
      run((world) => {
        const names = new Set([...world.queues.keys(), ...world.lanes.keys()]);
        return [...names].sort().map((name): Queue => world.queues.get(name) ?? { name, paused: false });
      }),
  };
}
