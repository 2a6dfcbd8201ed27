// One step of a sequence, as plain data: a call of the contract, a look at all that can be seen, or time that passes.
// What only one engine knows (where a lease lies, cursors) is left out, and is filled in as a call is made.
import type {
  Change,
  ClaimRequest,
  EventPurge,
  Extension,
  Insert,
  JobFilter,
  JobName,
  JobSort,
  PurgeRequest,
  RecordPut,
  ScheduleFilter,
  ScheduleRemoval,
  StatsFilter,
} from "../../src/core/engine.ts";
import type { EventFilter, NewEvent } from "../../src/core/events.ts";
import type { Guardrails } from "../../src/core/guardrails.ts";
import type { Backfill } from "../../src/core/operations.ts";
import type { Order } from "../../src/core/page.ts";
import type { QueueChange } from "../../src/core/queue.ts";
import type { OverlapPolicy, SchedulePut, ScheduleRef } from "../../src/core/schedule.ts";
import type { Settlement } from "../../src/core/settling.ts";
import type { TenantChange, TenantFilter } from "../../src/core/tenant-record.ts";

/** What a fire decides with. `moved`: as of a schedule that another has changed meanwhile (S2). */
export type Decision =
  | { readonly kind: "ticks" }
  | { readonly kind: "trigger"; readonly operation: string; readonly tick?: number; readonly actor?: string }
  | { readonly kind: "backfill"; readonly backfill: Backfill }
  | { readonly kind: "moved"; readonly part: "cursor" | "revision" | "incarnation" };

/** A listing that is read to its end, so many at a time. */
interface Walk {
  readonly limit: number;
}

/** A call that changes something, or moves the clock. */
export type Write =
  | { readonly op: "advance"; readonly ms: number }
  | { readonly op: "jobs.insert"; readonly inserts: readonly Insert[] }
  | { readonly op: "jobs.claim"; readonly request: ClaimRequest }
  | { readonly op: "jobs.extend"; readonly extensions: readonly Extension[]; readonly leaseMs: number }
  | { readonly op: "jobs.settle"; readonly settlements: readonly Settlement[] }
  | { readonly op: "jobs.change"; readonly changes: readonly Change[]; readonly guardrails?: Guardrails }
  /** Called again until there is no more. */
  | { readonly op: "jobs.purge"; readonly request: PurgeRequest }
  | { readonly op: "schedules.put"; readonly puts: readonly SchedulePut[]; readonly guardrails?: Guardrails }
  | { readonly op: "schedules.remove"; readonly removals: readonly ScheduleRemoval[] }
  | {
      readonly op: "schedules.fire";
      readonly decision: Decision;
      readonly limit: number;
      readonly only?: readonly ScheduleRef[];
      readonly guardrails?: Guardrails;
      readonly overlap?: OverlapPolicy;
    }
  | { readonly op: "queues.put"; readonly changes: readonly QueueChange[]; readonly actor?: string }
  | { readonly op: "tenants.put"; readonly changes: readonly TenantChange[]; readonly actor?: string }
  | { readonly op: "records.put"; readonly records: readonly RecordPut[] }
  | { readonly op: "records.remove"; readonly keys: readonly string[] }
  | { readonly op: "events.append"; readonly events: readonly NewEvent[] }
  /** Called again until there is no more. */
  | { readonly op: "events.purge"; readonly request: EventPurge };

/** A call that changes nothing. */
export type Read =
  | { readonly op: "jobs.get"; readonly name: Extract<JobName, { readonly id: string }> }
  | (Walk & { readonly op: "jobs.list"; readonly filter: JobFilter; readonly sort: JobSort })
  | { readonly op: "jobs.stats"; readonly filter: StatsFilter }
  | (Walk & { readonly op: "schedules.list"; readonly filter: ScheduleFilter })
  | (Walk & { readonly op: "tenants.list"; readonly filter: TenantFilter })
  | (Walk & { readonly op: "records.list"; readonly prefix: string })
  | { readonly op: "records.get"; readonly keys: readonly string[] }
  | (Walk & { readonly op: "events.list"; readonly filter: EventFilter; readonly order: Order })
  | { readonly op: "inspection.standing"; readonly id: string; readonly aheadMax: number }
  /** Everything that can be seen, of one moment. `shares`: places in the fair share too, as a claim has just looked. */
  | { readonly op: "observe"; readonly shares: boolean };

export type Call = Write | Read;
