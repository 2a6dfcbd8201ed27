// A schedule's history: its ticks, fired and skipped, as the audit log tells them (S10).
import type { SkipReason } from "../core/catch-up.ts";
import type { EventFilter, StoredEvent } from "../core/events.ts";
import { checkInstant } from "../core/instant.ts";
import { checkPage, type Order, type Page, type PageRequest } from "../core/page.ts";
import type { ScheduleRef } from "../core/schedule.ts";
import type { ClientHost } from "./client-host.ts";
import { viewEvent } from "./event-view.ts";
import { checkOrder } from "./events-client.ts";

/** Which ticks of a schedule's history. */
export interface TickQuery extends PageRequest {
  readonly tenant?: string;
  /** Fired or skipped from this instant on, and with it. */
  readonly since?: Date | string;
  /** Fired or skipped before this instant, and without it. */
  readonly until?: Date | string;
  /** "newest" first by default. */
  readonly order?: Order;
}

/** A tick that became a job. */
export interface TickFired {
  readonly outcome: "fired";
  /** The nominal instant. */
  readonly tick: Date;
  /** When it was fired. */
  readonly at: Date;
  /** How long after the tick that was, in ms. */
  readonly latenessMs: number;
  /** When its job was due: the tick plus jitter, or when what it waited for had ended. */
  readonly dueAt: Date;
  readonly job?: string;
  /** An operator's trigger, not made by the cursor. */
  readonly trigger?: true;
  /** An operator's backfill, not made by the cursor. */
  readonly backfill?: true;
  readonly actor?: string;
}

/** A run of ticks that were not fired. */
export interface TicksSkipped {
  readonly outcome: "skipped";
  /** The first of them. */
  readonly tick: Date;
  /** The last of them; where counting stopped, the end of the span that all of them are in. */
  readonly through: Date;
  readonly count: number;
  /** Counting stopped; there were more. */
  readonly capped?: boolean;
  /** `late`: too late for the catch-up policy · `overlap` · `disabled`, or removed · `limit`: of catch-up, or of jobs. */
  readonly reason: SkipReason;
  /** When they were skipped. */
  readonly at: Date;
  /** What an operator's trigger asked for, not the cursor. */
  readonly trigger?: true;
  /** What an operator's backfill asked for, not the cursor. */
  readonly backfill?: true;
  /** Who asked for it, or disabled, changed or removed the schedule. */
  readonly actor?: string;
}

/** An entry of a schedule's history. */
export type TickRecord = TickFired | TicksSkipped;

/** A page of a schedule's history. */
export async function listTicks(
  host: ClientHost,
  { tenant, id: schedule }: ScheduleRef,
  query: TickQuery,
): Promise<Page<TickRecord>> {
  const filter: EventFilter = {
    tenant,
    schedule,
    types: ["tick:fired", "tick:skipped"],
    from: query.since === undefined ? undefined : checkInstant(query.since, "since"),
    before: query.until === undefined ? undefined : checkInstant(query.until, "until"),
  };
  const { events } = await host.engine();
  const page = await events.list(filter, { ...checkPage(query), order: checkOrder(query.order) });
  return { ...page, items: page.items.flatMap((event) => viewTick(event) ?? []) };
}

/** The entry that an event tells; none when it tells of no tick. */
export function viewTick(stored: StoredEvent): TickRecord | undefined {
  const event = viewEvent(stored);
  if (event.type !== "tick:fired" && event.type !== "tick:skipped") return undefined;
  const { trigger, backfill } = event.data;
  const rest = {
    at: event.at,
    ...(trigger === true ? { trigger } : {}),
    ...(backfill === true ? { backfill } : {}),
    ...(event.actor === undefined ? {} : { actor: event.actor }),
  };
  if (event.type === "tick:fired") {
    const { tick, dueAt, latenessMs } = event.data;
    return {
      outcome: "fired",
      tick,
      latenessMs,
      dueAt,
      ...(event.job === undefined ? {} : { job: event.job }),
      ...rest,
    };
  }
  const { from, to, count, capped, reason } = event.data;
  return {
    outcome: "skipped",
    tick: from,
    through: to,
    count,
    reason,
    ...(capped === true ? { capped } : {}),
    ...rest,
  };
}
