// `examine`: looks at a store's health through the contract, without changing anything. Bounded: a store of any size may
// be asked while it serves.
import type { Engine } from "../core/engine.ts";
import { counted, oneLine, rfc3339, span } from "../core/explain/words.ts";
import { type Finding, fine } from "../core/findings.ts";
import { everyQueue, type LaneCounts, type Queue } from "../core/queue.ts";
import { copyMarkKey } from "../core/transfer.ts";
import { copySourceOf } from "./copy.ts";
import { backlog, disabled, type Examined, heldBack, leases, ticks, unknownTasks } from "./doctor-work.ts";
import { zones } from "./doctor-zones.ts";
import { ownZoneData } from "./zone-data.ts";

/** The store's clock may be so far from this process's, in ms, before anyone should know, and before anyone must. */
const offsetMsMax = 1_000;
const offsetMsProblem = 30_000;

type Store = Examined & Pick<Engine, "name" | "now" | "events" | "migrations" | "records">;

type Check = readonly [name: string, look: () => Finding[] | Promise<Finding[]>];

/**
 * Everything that is told of an open store: what is well, too. Problems first.
 * @param options `zoneData`: the version of the time zone data to compare with, this process's by default
 */
export async function examine(store: Store, options: { readonly zoneData?: string } = {}): Promise<Finding[]> {
  const { zoneData = ownZoneData() } = options;
  const unfinished = await unfinishedCopy(store);
  const checks: readonly Check[] = [
    ["schema", () => schema(store)],
    ["clock", () => clock(store)],
    // The work in half a copy says nothing of the store that it will be.
    ...(unfinished === undefined ? await checksOfWork(store) : [["copy", () => [unfinished]] as const]),
    ["time zones", () => zones(store, zoneData)],
    [store.name, () => store.inspection.findings()],
  ];
  const found: Finding[] = [];
  for (const [name, look] of checks) {
    try {
      found.push(...(await look()));
    } catch (error) {
      // One damaged row must not hide what the other checks find.
      const what = `it could not be looked at: ${error instanceof Error ? error.message : String(error)}`;
      found.push({
        check: name,
        status: "problem",
        what,
        mend: "A damaged row may be the cause: see the other findings.",
      });
    }
  }
  const rank = { problem: 0, warn: 1, ok: 2 };
  return found.sort((a, b) => rank[a.status] - rank[b.status]);
}

async function checksOfWork(store: Store): Promise<readonly Check[]> {
  const now = await store.now();
  const [lanes, queues] = await Promise.all([store.jobs.stats({}), store.queues.list()]);
  return [
    ["rows from the future", () => future(store, now)],
    ["pauses", () => paused(lanes, queues)],
    ["leases", () => leases(store, now)],
    ["backlog", () => backlog(store, lanes, queues, now)],
    ["tenants", () => heldBack(store, lanes, now)],
    ["handlers", () => unknownTasks(store, now)],
    ["ticks", () => ticks(store, now)],
    ["schedules", () => disabled(store)],
    ["errors", () => errors(store, now)],
  ];
}

/** A copy that was cut off looks like a store, and a scheduler refuses it. */
async function unfinishedCopy({ records }: Store): Promise<Finding | undefined> {
  const [mark] = await records.get([copyMarkKey]);
  if (mark === undefined) return undefined;
  const source = copySourceOf(mark);
  return {
    check: "copy",
    status: "problem",
    what: `this is an unfinished copy of ${source}: some of its jobs and schedules are missing, and no scheduler opens it`,
    mend: `Run punctual copy again: punctual copy --from ${source} --to this store. Or delete it.`,
  };
}

async function schema({ migrations }: Store): Promise<Finding[]> {
  const { steps, unknown, drift, unchecked } = await migrations.state();
  if (steps.length === 0) return [];
  const found = drift.map(
    ({ what }): Finding => ({
      check: "schema",
      status: "problem",
      what,
      mend: "Undo the change by hand: `punctual migrate --print --all` shows what there should be.",
    }),
  );
  const missing = steps.filter(({ appliedAt }) => appliedAt === undefined);
  if (missing.length > 0) {
    const what = `steps ${missing.map(({ id }) => id).join(", ")} of the schema are missing`;
    found.push({ check: "schema", status: "warn", what, mend: "Run `punctual migrate`." });
  }
  if (unchecked !== undefined) {
    const mend = "Run `punctual migrate --check` as the schema's owner.";
    found.push({ check: "schema", status: "warn", what: unchecked, mend });
  }
  if (found.length > 0) return found;
  const newer = unknown.length === 0 ? "" : `, and ${counted(unknown.length, "step")} of a newer version`;
  return [fine("schema", `all ${counted(steps.length, "step")} are applied${newer}, and nothing has drifted`)];
}

async function clock(store: Store): Promise<Finding[]> {
  const before = Date.now();
  const there = await store.now();
  const after = Date.now();
  // Half of the round trip is the best guess of when the store looked.
  const offsetMs = there - (before + after) / 2;
  const doubtMs = (after - before) / 2;
  const away = Math.max(0, Math.abs(offsetMs) - doubtMs);
  const side = offsetMs > 0 ? "ahead of" : "behind";
  if (away < offsetMsMax) return [fine("clock", `the store's clock and this machine's agree within ${span(away + 1)}`)];
  return [
    {
      check: "clock",
      status: away < offsetMsProblem ? "warn" : "problem",
      what: `the store's clock is ${span(away)} ${side} this machine's`,
      mend: "The store's clock decides what is due. Set both by a time service.",
    },
  ];
}

/** A clock that went back leaves rows from the future. */
async function future({ events, jobs }: Store, now: number): Promise<Finding[]> {
  const [event, job] = await Promise.all([events.list({}, { limit: 1 }), jobs.list({}, { limit: 1 })]);
  const newest = Math.max(event.items[0]?.at ?? 0, job.items[0]?.createdAt ?? 0);
  if (newest <= now + offsetMsMax) return [fine("rows from the future", "none")];
  return [
    {
      check: "rows from the future",
      status: "problem",
      what: `the newest row is of ${rfc3339(newest)}, ${span(newest - now)} ahead of the store's clock`,
      mend: "The clock was set back, or was wrong before. Until it has caught up, timers are late by that much.",
    },
  ];
}

function paused(lanes: readonly LaneCounts[], queues: readonly Queue[]): Finding[] {
  const waiting = (name: string) =>
    lanes.filter(({ queue }) => name === everyQueue || queue === name).reduce((sum, lane) => sum + lane.waiting, 0);
  const found = queues
    .filter((queue) => queue.paused)
    .map(({ name }): Finding => {
      const what = name === everyQueue ? "everything is" : `queue ${name} is`;
      return {
        check: "pauses",
        status: waiting(name) > 0 ? "warn" : "ok",
        what: `${what} paused, and ${counted(waiting(name), "due job")} wait${waiting(name) === 1 ? "s" : ""}`,
        mend: `punctual queues resume ${name === everyQueue ? "--all" : name}`,
      };
    });
  return found.length === 0 ? [fine("pauses", "nothing is paused")] : found;
}

/** What workers have complained of within the hour. */
async function errors({ events }: Store, now: number): Promise<Finding[]> {
  const { items, next } = await events.list({ types: ["worker:error"], from: now - 3_600_000 }, { limit: 100 });
  const [last] = items;
  if (last === undefined) return [fine("errors", "no worker has reported an error within the hour")];
  const message = typeof last.data?.["message"] === "string" ? `: ${oneLine(last.data["message"])}` : "";
  const count = next === undefined ? counted(items.length, "error") : "more than 100 errors";
  return [
    {
      check: "errors",
      status: "warn",
      what: `workers have reported ${count} within the hour, the last ${span(now - last.at)} ago${message}`,
      mend: "The audit log has them all: events of type worker:error.",
    },
  ];
}
