// Counts of lanes in Redis: from counters, exact for what has come due by now.
import type { StatsFilter } from "../../core/engine.ts";
import type { LaneCounts } from "../../core/queue.ts";
import { laneStatsScript } from "./scripts/stats.ts";
import type { Access } from "./store.ts";

/** Lanes that one call counts; more are counted in several, each of its own moment. */
const lanesMax = 2_000;

type LaneRow = readonly [queue: string, tenant: string, waiting: number, ...counts: (number | string | null)[]];

export async function laneStats(access: Access, filter: StatsFilter): Promise<LaneCounts[]> {
  const lanes = await lanesOf(access, filter);
  const rows: LaneCounts[] = [];
  for (let from = 0; from < lanes.length; from += lanesMax) {
    rows.push(...(await countLanes(access, lanes.slice(from, from + lanesMax))));
  }
  return rows;
}

/** The numbers of the lanes that a filter names, the oldest first. */
async function lanesOf({ client }: Access, { tenant, queue }: StatsFilter): Promise<string[]> {
  const [found] = await client.read([
    tenant !== undefined && queue !== undefined
      ? ["HMGET", "lanes", `${queue}\n${tenant}`]
      : tenant !== undefined
        ? ["SMEMBERS", `lanesOf:${tenant}`]
        : queue !== undefined
          ? ["SMEMBERS", `lanesIn:${queue}`]
          : ["HVALS", "lanes"],
  ]);
  return (found as readonly (string | null)[]).filter((lane) => lane !== null).sort();
}

async function countLanes({ client, testNow }: Access, lanes: readonly string[]): Promise<LaneCounts[]> {
  return ((await client.run(laneStatsScript, [testNow(), ...lanes])) as unknown as readonly LaneRow[]).map(toCounts);
}

function toCounts([queue, tenant, waiting, ...texts]: LaneRow): LaneCounts {
  const [deferred = 0, held = 0, active = 0, completed = 0, failed = 0, cancelled = 0, ...ends] = texts.map(Number);
  return {
    tenant,
    queue,
    waiting,
    delayed: deferred + held,
    active,
    completed,
    failed,
    cancelled,
    totals: { completed: ends[0] ?? 0, failed: ends[1] ?? 0, cancelled: ends[2] ?? 0 },
  };
}
