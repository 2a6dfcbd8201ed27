// Schedules in SQLite: the contract's ScheduleStore. What a put, a removal or a fire does are steps of core.
import type { FireAnswer, FireRequest, ScheduleFilter, ScheduleStore } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Schedule } from "../../core/schedule.ts";
import { fireSchedules, putSchedule, removeSchedule } from "../../core/steps/schedules.ts";
import { ledgerOf } from "./ledger.ts";
import { filterOf, whenGiven } from "./listing.ts";
import { checkEpoch } from "./migrations/migrate.ts";
import {
  dueSchedules,
  findSchedule,
  getSchedule,
  nextTickAt,
  readableSchedule,
  type ScheduleRow,
} from "./schedule-table.ts";
import type { Steps, Tx } from "./tx.ts";

const filter = filterOf(["of_task", "of_queue", "of_enabled", "of_prefix"]);

const conditions = [
  whenGiven("of_task", (task) => `task = ${task}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("of_enabled", (enabled) => `enabled = ${enabled}`),
  whenGiven("of_prefix", (prefix) => `substr(id, 1, length(${prefix})) = ${prefix}`),
].join("\n  AND ");

const listStatement = `-- schedules.list
${filter}
SELECT tenant, id, schedule FROM punctual_schedules WHERE (tenant, id) > (?, ?) AND ${conditions} ORDER BY tenant, id LIMIT ?`;

// Ranges of the key: a tenant's other schedules, and those of other tenants, are jumped over.
const listPrefixStatement = `-- schedules.listPrefix
${filter}
SELECT tenant, id, schedule FROM punctual_schedules
WHERE tenant = ? AND id > ? AND id >= ? AND id < ? || char(1114111) AND ${conditions} ORDER BY id LIMIT ?`;

const nextTenantStatement =
  "-- schedules.nextTenant\nSELECT min(tenant) AS tenant FROM punctual_schedules WHERE tenant > ?";

const listOfTenantStatement = `-- schedules.listOfTenant
${filter}
SELECT tenant, id, schedule FROM punctual_schedules WHERE tenant = ? AND id > ? AND ${conditions} ORDER BY id LIMIT ?`;

export function scheduleStore(steps: Steps): ScheduleStore {
  return {
    put: (puts, guardrails) =>
      steps.write((tx) => {
        const ledger = ledgerOf(tx);
        return puts.map((one) => putSchedule(ledger, one, guardrails));
      }),
    get: (ref) => steps.read((tx) => getSchedule(tx, ref)),
    list: (filter, page) => steps.read((tx) => list(tx, filter, page)),
    remove: (removals) =>
      steps.write((tx) => {
        const ledger = ledgerOf(tx);
        return removals.map((one) => removeSchedule(ledger, one));
      }),
    fire: async (request) => {
      // Most looks find nothing due: those take no write lock.
      const idle = request.only === undefined ? await steps.read(nothingDue) : undefined;
      return idle ?? steps.write((tx) => fire(tx, request));
    },
  };
}

function list(
  { connection }: Tx,
  filter: ScheduleFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Page<Schedule> {
  const [tenant = "", id = ""] = page.cursor === undefined ? [] : decodeCursor(page.cursor, 2).map(String);
  const common = [
    filter.task ?? null,
    filter.queue ?? null,
    filter.enabled === undefined ? null : Number(filter.enabled),
    filter.idPrefix ?? null,
  ];
  const limit = page.limit + 1;
  const rows =
    filter.idPrefix !== undefined
      ? listPrefix(connection, filter.idPrefix, common, { tenant, id, only: filter.tenant, limit })
      : filter.tenant === undefined
        ? connection.all<ScheduleRow>(listStatement, ...common, tenant, id, limit)
        : connection.all<ScheduleRow>(listOfTenantStatement, ...common, filter.tenant, id, limit);
  const shown = rows.slice(0, page.limit);
  const items = shown.flatMap((row) => readableSchedule(row) ?? []);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { items };
  return { items, next: encodeCursor([last.tenant, last.id]) };
}

/** Where a listing by the beginning of ids goes on: behind an id of a tenant, in that tenant only or in all. */
interface PrefixPlace {
  readonly tenant: string;
  readonly id: string;
  readonly only: string | undefined;
  readonly limit: number;
}

function listPrefix(
  connection: Tx["connection"],
  prefix: string,
  common: readonly (string | number | null)[],
  { tenant, id, only, limit }: PrefixPlace,
): ScheduleRow[] {
  const rows: ScheduleRow[] = [];
  let current: string | undefined = only ?? tenant;
  let after = id;
  while (current !== undefined && rows.length < limit) {
    const values = [...common, current, after, prefix, prefix, limit - rows.length];
    rows.push(...connection.all<ScheduleRow>(listPrefixStatement, ...values));
    if (only !== undefined) break;
    current = connection.get<{ tenant: string | null }>(nextTenantStatement, current)?.tenant ?? undefined;
    after = "";
  }
  return rows;
}

function nothingDue(tx: Tx): FireAnswer | undefined {
  checkEpoch(tx.connection);
  const nextDueAt = nextTickAt(tx);
  return nextDueAt !== undefined && nextDueAt <= tx.now ? undefined : { fired: [], nextDueAt };
}

function fire(tx: Tx, request: FireRequest): FireAnswer {
  checkEpoch(tx.connection);
  const found = request.only?.flatMap((ref) => findSchedule(tx, ref) ?? []) ?? dueSchedules(tx, request.limit);
  const fired = fireSchedules(ledgerOf(tx), found, request);
  return { fired, nextDueAt: nextTickAt(tx) };
}
