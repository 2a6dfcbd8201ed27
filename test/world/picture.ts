// All that a world holds as text, so that two worlds can be held against each other row by row. Whether a job that
// waits has been seen to be due is left out: each process sees that by itself.
import type { Heap } from "../../src/world/heap.ts";
import type { Lane, Stored } from "../../src/world/lane.ts";
import type { World } from "../../src/world/world.ts";

/** What a world holds at this moment, as JSON. Members of a row may come in another order where it was made from changes. */
export function pictureOf(world: World): string {
  return JSON.stringify({
    jobs: table(world.jobs, rowOf),
    order: world.lastSeq,
    lanes: table(world.lanes, (lanes) => table(lanes, (lane) => laneOf(world, lane))),
    leases: present(world.leases, (heap) => idsIn(heap)),
    keys: table(world.keys, ({ current, successor }) => ({ current, successor })),
    replacements: table(world.replacements, (id) => id),
    idempotency: table(world.idempotency, (used) => used),
    schedules: table(world.schedules, (schedule) => schedule),
    activeSchedules: present(world.activeSchedules, (count) => count || undefined),
    nextDue: world.dueSchedules.nextAt,
    unfinished: table(unfinishedOf(world), (jobs) => jobs),
    queues: table(world.queues, (queue) => queue),
    windows: table(world.windows, (window) => window),
    tenants: table(tenantsOf(world), (stored) => stored),
    limited: [...world.tenants.limited].sort(),
    records: table(world.records, (record) => record),
    events: world.events,
    lastEventId: world.lastEventId,
  });
}

function rowOf({ job, seq, place }: Stored) {
  return { job, seq, place: isWaiting(place) ? "waits" : place };
}

function isWaiting(place: Stored["place"]): boolean {
  return place === "ready" || place === "deferred";
}

/** A lane, with what lies in its heaps and what should. */
function laneOf(world: World, lane: Lane) {
  const { queue, tenant, counts, totals, pass, weight, isShared } = lane;
  const { ready, deferred, ...others } = counts;
  const own = [...world.jobs.values()].filter(({ job }) => job.queue === queue && job.tenant === tenant);
  const inHeaps = [...idsIn(lane.ready), ...idsIn(lane.deferred)].sort();
  const expected = own.filter(({ place }) => isWaiting(place)).map(({ job }) => job.id);
  return {
    waiting: ready + deferred,
    ...others,
    totals,
    pass,
    weight,
    isShared,
    inHeaps,
    isWhole: `${inHeaps}` === `${expected.sort()}`,
  };
}

function idsIn(heap: Heap<Stored>): string[] {
  return heap
    .live()
    .map(({ job }) => job.id)
    .sort();
}

function unfinishedOf(world: World) {
  const incarnations = [...world.jobs.values()].flatMap(({ job }) => job.schedule?.incarnation ?? []);
  return new Map(incarnations.map((name) => [name, world.unfinishedOf(name)]));
}

function tenantsOf(world: World) {
  return new Map(world.tenants.all().map(({ record: { id } }) => [id, world.tenants.storedOf(id)]));
}

function table<Key extends string, Row>(rows: ReadonlyMap<Key, Row>, shown: (row: Row) => unknown) {
  return Object.fromEntries([...rows.keys()].sort().map((name) => [name, shown(rows.get(name) as Row)]));
}

/** Without what is empty: it may be there or not. */
function present<Key extends string, Row>(rows: ReadonlyMap<Key, Row>, shown: (row: Row) => unknown) {
  const all = Object.entries(table(rows, shown));
  return Object.fromEntries(all.filter(([, value]) => value !== undefined && `${value}` !== ""));
}
