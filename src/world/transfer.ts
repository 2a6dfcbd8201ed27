// A whole world as values and back: the contract's TransferStore in memory.
import type { Millis } from "../core/clock.ts";
import type { TransferStore } from "../core/engine.ts";
import {
  compareNames,
  positionOf,
  type TransferItem,
  type TransferKind,
  type TransferName,
  type TransferOutcome,
  type TransferPosition,
} from "../core/transfer.ts";
import { readPageOf } from "../core/transfer-page.ts";
import type { Run } from "./run.ts";
import { scheduleKey, type World } from "./world.ts";

export function transferStore(run: Run): TransferStore {
  return {
    read: (request) =>
      run((world, now) =>
        readPageOf(request, (kind, after, limit) => {
          const items = readKind(world, kind, after, now);
          return items.sort((a, b) => compareNames(positionOf(a).name, positionOf(b).name)).slice(0, limit);
        }),
      ),
    counts: () =>
      run((world) => ({
        queue: world.queues.size,
        tenant: world.tenants.all().length,
        job: world.jobs.size,
        lane: [...world.lanes.values()].reduce((sum, lanes) => sum + lanes.size, 0),
        idempotency: world.idempotency.size,
        record: world.records.size,
        event: world.events.length,
        eventSequence: 1,
        schedule: world.schedules.size,
      })),
    write: ({ items, remove, guard }) =>
      run((world, now): TransferOutcome => {
        if (guard !== undefined && world.records.get(guard.key)?.value !== guard.value) return "lost";
        for (const position of remove) removeItem(world, position);
        for (const item of items) writeItem(world, item, now);
        return "written";
      }),
  };
}

/** The items of a kind beyond a name, unsorted. */
function readKind(world: World, kind: TransferKind, after: TransferName | undefined, now: Millis): TransferItem[] {
  // Jobs and events are the many: those that were read are left out before anything is made of them.
  const beyond = typeof after?.[0] === "number" ? after[0] : Number.NEGATIVE_INFINITY;
  if (kind === "job") {
    return [...world.jobs.values()].flatMap(({ seq, job }) => (seq > beyond ? [{ kind, seq, job }] : []));
  }
  if (kind === "event") return world.events.flatMap((event) => (event.id > beyond ? [{ kind, event }] : []));
  const items = readSmall(world, kind, now);
  return after === undefined ? items : items.filter((item) => compareNames(positionOf(item).name, after) > 0);
}

function readSmall(world: World, kind: Exclude<TransferKind, "job" | "event">, now: Millis): TransferItem[] {
  switch (kind) {
    case "queue":
      return [...world.queues.values()].map((queue) => ({
        kind,
        queue,
        window: world.windows.get(queue.name) ?? [],
      }));
    case "tenant":
      return world.tenants.all().map(({ record, window }) => ({ kind, tenant: record, window }));
    case "lane":
      return [...world.lanes.values()].flatMap((lanes) =>
        [...lanes.values()].map(({ queue, tenant, totals, pass, weight }) => {
          return { kind, queue, tenant, totals: { ...totals }, pass, weight } as const;
        }),
      );
    case "idempotency":
      return [...world.idempotency].flatMap(([name, { body, id, dueAt, expiresAt }]) => {
        const [tenant = "", key = ""] = name.split("\n");
        return expiresAt > now ? [{ kind, tenant, key, body, job: id, dueAt, expiresAt }] : [];
      });
    case "record":
      return [...world.records].flatMap(([key, record]) =>
        record.expiresAt === undefined || record.expiresAt > now ? [{ kind, key, ...record }] : [],
      );
    case "eventSequence":
      return [{ kind, lastId: world.lastEventId }];
    case "schedule":
      return [...world.schedules.values()].map((schedule) => ({ kind, schedule }));
  }
}

function writeItem(world: World, item: TransferItem, now: Millis): void {
  switch (item.kind) {
    case "queue":
      world.saveQueue(item.queue);
      world.saveWindow(item.queue.name, item.window);
      return;
    case "tenant":
      world.tenants.save(item.tenant, item.window, now, true);
      return;
    case "job":
      world.restore(item.job, item.seq, now);
      return;
    case "lane": {
      const lane = world.lane(item.queue, item.tenant);
      // Its jobs have come before it: the place that they gave it is not the one that it had.
      world.arrangeLanes();
      world.touchLane(lane);
      Object.assign(lane.totals, item.totals);
      lane.pass = item.pass;
      lane.weight = item.weight;
      return;
    }
    case "idempotency": {
      const { body, job: id, dueAt, expiresAt } = item;
      world.remember(`${item.tenant}\n${item.key}`, { body, id, dueAt, expiresAt });
      return;
    }
    case "record": {
      const { value, revision, expiresAt } = item;
      world.saveRecord(item.key, { value, revision, ...(expiresAt === undefined ? {} : { expiresAt }) });
      return;
    }
    case "event":
      world.restoreEvent(item.event);
      return;
    case "eventSequence":
      world.lastEventId = item.lastId;
      return;
    case "schedule":
      world.saveSchedule(item.schedule);
  }
}

function removeItem(world: World, { kind, name: [first = "", second = ""] }: TransferPosition): void {
  const key = `${first}\n${second}`;
  switch (kind) {
    case "queue":
      world.removeQueue(String(first));
      return;
    case "tenant":
      world.tenants.remove(String(first));
      return;
    case "job":
      for (const { seq, job } of world.jobs.values()) if (seq === first) world.drop(job.id);
      return;
    case "lane":
      world.removeLane(String(first), String(second));
      return;
    case "idempotency":
      world.forget(key);
      return;
    case "record":
      world.removeRecord(String(first));
      return;
    case "event":
      world.keepEvents(world.events.filter(({ id }) => id !== first));
      return;
    case "eventSequence":
      return;
    case "schedule": {
      const schedule = world.schedules.get(scheduleKey({ tenant: String(first), id: String(second) }));
      if (schedule !== undefined) world.removeSchedule(schedule);
    }
  }
}
