// The audit log's events as people see them: dates for instants, schedules' definitions as they were given.
import type { SkipReason } from "../core/catch-up.ts";
import type { EventType, StoredEvent } from "../core/events.ts";
import type { EndCause, FinishedState, JobState } from "../core/job.ts";
import type { Queue } from "../core/queue.ts";
import type { ScheduleDefinition } from "../core/schedule.ts";
import type { Tenant } from "../core/tenant-record.ts";
import { type DefinitionView, viewDefinition } from "./views.ts";

interface OfJob {
  readonly task: string;
  readonly attempt: number;
}

interface EndOfJob extends OfJob {
  readonly cause?: EndCause;
  readonly reason?: string;
}

/** A definition in the log; a long input or metadata is left out, and told by its size and a fingerprint. */
type RecordedDefinition = Partial<DefinitionView> & {
  readonly inputLeftOut?: LeftOut;
  readonly metadataLeftOut?: LeftOut;
};

interface LeftOut {
  readonly characters: number;
  readonly fingerprint: string;
}

/** What each type of event tells beyond what, when and who. */
export interface EventData {
  "job:failed": EndOfJob;
  "job:cancelling": OfJob;
  "job:cancelled": EndOfJob;
  "job:revived": { readonly task: string; readonly from: JobState };
  "job:rescheduled": { readonly task: string; readonly before: Date; readonly after: Date };
  "job:updated": { readonly task: string };
  /** One for each batch that a purge took; `allTenants` when it named none. */
  "jobs:purged": {
    readonly before: Date;
    readonly states?: readonly FinishedState[];
    readonly deleted: number;
    readonly allTenants: boolean;
  };
  "tick:fired": {
    readonly tick: Date;
    readonly dueAt: Date;
    /** How long after the tick it was fired, in ms. */
    readonly latenessMs: number;
    /** An operator's trigger, no tick of the rule. */
    readonly trigger?: true;
    /** An operator's backfill, a tick that was. */
    readonly backfill?: true;
  };
  "tick:skipped": {
    readonly from: Date;
    readonly to: Date;
    readonly count: number;
    /** Counting stopped; there were more. */
    readonly capped?: boolean;
    readonly reason: SkipReason;
    /** What an operator's trigger asked for. */
    readonly trigger?: true;
    /** What an operator's backfill asked for. */
    readonly backfill?: true;
  };
  "schedule:created": { readonly after: RecordedDefinition; readonly enabled: boolean };
  "schedule:updated": {
    readonly before: RecordedDefinition;
    readonly after: RecordedDefinition;
    readonly revision: number;
  };
  "schedule:enabled": Readonly<Record<string, never>>;
  "schedule:disabled": { readonly reason?: string };
  "schedule:paused": { readonly reason: string };
  "schedule:removed": { readonly before: RecordedDefinition };
  /**
   * Its next tick was computed anew with other time zone data (versions where they were known), or for the reason that is
   * given.
   */
  "schedule:retimed": {
    readonly reason?: string;
    readonly before?: Date;
    readonly after?: Date;
    readonly zoneDataBefore?: string;
    readonly zoneDataAfter?: string;
  };
  "queue:changed": { readonly before?: Queue; readonly after: Queue };
  "tenant:changed": { readonly before?: Tenant; readonly after: Tenant };
  "events:purged": { readonly before: Date; readonly deleted: number };
  "worker:error": { readonly where: string; readonly message: string; readonly from: Date; readonly count: number };
  /** With `audit: "all"`, as are those below. */
  "job:scheduled": OfJob & { readonly dueAt: Date; readonly outcome: "created" | "replaced" };
  "job:claimed": OfJob & { readonly worker: string; readonly recovered?: true };
  "job:retrying": OfJob & { readonly dueAt: Date; readonly reason?: string };
  "job:released": OfJob & { readonly dueAt: Date };
  "job:completed": OfJob;
}

/** What every event says. */
interface EventHead<Type> {
  /** Grows with each event; where a tail goes on. */
  readonly id: number;
  readonly type: Type;
  readonly tenant: string;
  readonly at: Date;
  /** Who did it; absent for what the scheduler does by itself. */
  readonly actor?: string;
  readonly job?: string;
  readonly schedule?: string;
  readonly queue?: string;
}

/** An event of the audit log; its type says what `data` holds. */
export type EventView = { [Type in EventType]: EventHead<Type> & { readonly data: EventData[Type] } }[EventType];

/** Members of data that are instants. */
const instants: ReadonlySet<string> = new Set(["before", "after", "from", "to", "tick", "dueAt"]);

/** Shows an event. What an older or newer version wrote is shown as far as it is understood. */
export function viewEvent(event: StoredEvent): EventView {
  const { id, type, tenant, at, actor, job, schedule, queue, data = {} } = event;
  const shown = Object.entries(data).flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [[name, viewMember(type, name, value)]],
  );
  return {
    id,
    type,
    tenant,
    at: new Date(at),
    ...(actor === undefined ? {} : { actor }),
    ...(job === undefined ? {} : { job }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(queue === undefined ? {} : { queue }),
    data: Object.fromEntries(shown) as never,
  };
}

function viewMember(type: EventType, name: string, value: unknown): unknown {
  if (instants.has(name) && typeof value === "number") return new Date(value);
  const isDefinition = type.startsWith("schedule:") && (name === "before" || name === "after");
  return isDefinition && typeof value === "object" ? viewDefinition(value as Partial<ScheduleDefinition>) : value;
}
