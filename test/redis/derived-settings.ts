// What follows from what people have set up, and from the audit log: names in order, due schedules, limits, ends, and the
// indexes of events.
import { isActive } from "../../src/core/schedule.ts";
import { limitsClaims } from "../../src/core/tenant-record.ts";
import { readableSchedule, scheduleRef } from "../../src/engines/redis/schedule-rows.ts";
import { readTenant } from "../../src/engines/redis/tenant-rows.ts";
import type { Contents } from "./deployment-contents.ts";
import type { Derived } from "./derived.ts";

const nothing: Contents = new Map();

export function deriveSettings(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  deriveSchedules(keys, derived);
  deriveTenants(keys, derived);
  deriveQueues(keys, derived);
  deriveEnds(keys, derived);
  deriveEvents(keys, derived);
}

function deriveSchedules(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("schedules");
  for (const [name, text] of keys.get("schedules") ?? nothing) {
    const schedule = readableSchedule(scheduleRef(name), text);
    if (schedule === undefined) {
      derived.fault(`schedule ${name} cannot be read`);
      continue;
    }
    derived.put("scheduleNames", name, 0);
    if (!isActive(schedule)) continue;
    derived.put("due", name, schedule.cursor.nextAt);
    derived.count(`t:${schedule.tenant}`, "schedules");
  }
}

function deriveTenants(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("tenants");
  derived.own("tenantNames");
  const names = keys.get("tenantNames") ?? nothing;
  for (const [id, text] of keys.get("tenants") ?? nothing) {
    const tenant = readTenant(id, text);
    derived.expect(names.has(id), `tenant ${id} is not listed`);
    if (tenant === undefined) continue;
    if (limitsClaims(tenant)) derived.put("limited", id);
    if (tenant.guardrails !== undefined) derived.put("guarded", id);
  }
  for (const key of ["lanes", "schedules"]) {
    for (const name of (keys.get(key) ?? nothing).keys()) {
      const tenant = name.split("\n")[key === "lanes" ? 1 : 0] ?? "";
      derived.expect(names.has(tenant), `tenant ${tenant} of ${key} is not listed`);
    }
  }
  for (const key of keys.keys()) {
    if (!key.startsWith("t:")) continue;
    for (const field of ["active", "unfinished", "schedules"]) derived.count(key, field, 0);
  }
  for (const name of (keys.get("lanes") ?? nothing).keys()) {
    const [queue = "", tenant = ""] = name.split("\n");
    const record = keys.get("tenants")?.get(tenant);
    const weight = record === undefined ? 1 : (readTenant(tenant, record)?.weight ?? 1);
    const lane = keys.get("lanes")?.get(name);
    derived.expect(
      Number(keys.get(`l:${lane}`)?.get("weight")) === weight,
      `the lane of ${tenant} in ${queue} does not weigh ${weight}`,
    );
  }
}

function deriveQueues(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("queues");
  derived.own("windows");
  const queues = [...(keys.get("lanes") ?? nothing).keys()].map((name) => name.split("\n")[0] ?? "");
  for (const queue of new Set([...queues, ...(keys.get("queues") ?? nothing).keys()]))
    derived.put("queueNames", queue, 0);
}

/** Idempotency keys and records, with their ends. */
function deriveEnds(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("idempotency");
  for (const [name, text] of keys.get("idempotency") ?? nothing) {
    derived.put("idempotencyEnds", name, (JSON.parse(text) as { readonly expiresAt: number }).expiresAt);
  }
  derived.own("records");
  for (const [key, text] of keys.get("records") ?? nothing) {
    derived.put("recordNames", key, 0);
    const [, ends = ""] = text.split("|");
    if (ends !== "") derived.put("recordEnds", key, ends);
  }
}

interface Told {
  readonly type: string;
  readonly tenant: string;
  readonly schedule?: string;
  readonly job?: string;
}

function deriveEvents(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("events");
  const fired = new Map<string, string>();
  for (const [entry, text] of keys.get("events") ?? nothing) {
    const [id = ""] = entry.split("-");
    const { type, tenant, schedule, job } = JSON.parse(text) as Told;
    derived.put(`e:t${tenant}`, id, id);
    if (schedule !== undefined) derived.put(`e:s${tenant}\n${schedule}`, id, id);
    if (job !== undefined) derived.put(`e:j${job}`, id, id);
    if (job !== undefined && type === "tick:fired") {
      derived.expect(!fired.has(job), `the tick of job ${job} has fired twice`);
      fired.set(job, id);
    }
    const last = Number(keys.get("meta")?.get("event") ?? 0);
    derived.expect(Number(id) <= last, `event ${id} is beyond the last one, ${last}`);
  }
  for (const [job, id] of fired) derived.put("fired", job, id);
}
