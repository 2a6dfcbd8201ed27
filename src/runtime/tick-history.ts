// A schedule's history: its ticks, fired and skipped, as the audit log tells them (S10).
import type { SkipReason } from "../core/catch-up.ts";
import type { StoredEvent } from "../core/events.ts";
import { viewEvent } from "./event-view.ts";

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
  /** An operator's trigger, no tick of the rule. */
  readonly trigger?: true;
  readonly actor?: string;
}

/** A run of ticks that were not fired. */
export interface TicksSkipped {
  readonly outcome: "skipped";
  /** The first of them. */
  readonly tick: Date;
  /** The last of them. */
  readonly through: Date;
  readonly count: number;
  /** Counting stopped; there were more. */
  readonly capped?: boolean;
  readonly reason: SkipReason;
  /** When they were skipped. */
  readonly at: Date;
}

/** An entry of a schedule's history. */
export type TickRecord = TickFired | TicksSkipped;

/** The entry that an event tells; none when it tells of no tick. */
export function viewTick(stored: StoredEvent): TickRecord | undefined {
  const event = viewEvent(stored);
  if (event.type === "tick:fired") {
    const { tick, dueAt, latenessMs, trigger } = event.data;
    return {
      ...{ outcome: "fired", tick, at: event.at, latenessMs, dueAt },
      ...(event.job === undefined ? {} : { job: event.job }),
      ...(trigger === true ? { trigger } : {}),
      ...(event.actor === undefined ? {} : { actor: event.actor }),
    };
  }
  if (event.type !== "tick:skipped") return undefined;
  const { from, to, count, capped, reason } = event.data;
  return {
    ...{ outcome: "skipped", tick: from, through: to, count, reason, at: event.at },
    ...(capped === true ? { capped } : {}),
  };
}
