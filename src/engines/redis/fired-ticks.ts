// What this process knows to have fired, beside the store: by its own steps, by the jobs it was given, and by what others
// publish. A server that takes over from another, or comes back from a power cut, may lack its last writes; a schedule that
// stands before what is known here is moved on, and fires nothing twice (S2).
import type { Millis } from "../../core/clock.ts";
import { tickJobId } from "../../core/id.ts";
import type { Job } from "../../core/job.ts";
import type { Schedule } from "../../core/schedule.ts";
import { scheduleName } from "./schedule-rows.ts";

/** Schedules that are remembered, at most: those that fired last. */
const rememberedMax = 10_000;

/** A schedule, up to where it has fired, and since when its rule holds; undefined where only a job of it is known. */
export type Fired = readonly [tenant: string, id: string, incarnation: string, after: Millis, ruleSetAt?: Millis];

interface Known {
  readonly incarnation: string;
  readonly after: Millis;
  readonly ruleSetAt: Millis | undefined;
}

export class FiredTicks {
  readonly #known = new Map<string, Known>();

  remember([tenant, id, incarnation, after, ruleSetAt]: Fired): void {
    const name = scheduleName({ tenant, id });
    this.#known.delete(name);
    this.#known.set(name, { incarnation, after, ruleSetAt });
    const [oldest] = this.#known.keys();
    if (this.#known.size > rememberedMax && oldest !== undefined) this.#known.delete(oldest);
  }

  /** A job that was claimed tells that its tick has fired; one that an operator asked for tells nothing of the rule's. */
  claimed({ id, tenant, schedule }: Pick<Job, "id" | "tenant" | "schedule">): void {
    if (schedule === undefined) return;
    const { incarnation, tick } = schedule;
    const known = this.#known.get(scheduleName({ tenant, id: schedule.id }));
    if (known !== undefined && known.incarnation === incarnation && known.after >= tick) return;
    if (id === tickJobId(tenant, incarnation, tick)) this.remember([tenant, schedule.id, incarnation, tick]);
  }

  /** Up to where a schedule has fired, if that is further than what is stored of it. */
  beyond({ tenant, id, incarnation, ruleSetAt, cursor }: Schedule): Millis | undefined {
    const known = this.#known.get(scheduleName({ tenant, id }));
    if (known?.incarnation !== incarnation || known.after <= cursor.after) return undefined;
    // A changed rule begins anew, and may have ticks before those of the rule before.
    const isOfRule = known.ruleSetAt === undefined ? known.after > ruleSetAt : known.ruleSetAt === ruleSetAt;
    return isOfRule ? known.after : undefined;
  }
}

/** What processes tell each other of it, beside signals. */
export function firedMessage(fired: readonly Fired[]): string {
  return JSON.stringify({ fired });
}

/** The same as it is heard; undefined for any other message. */
export function readFired(message: string): readonly Fired[] | undefined {
  if (!message.startsWith('{"fired":')) return undefined;
  try {
    const { fired } = JSON.parse(message) as { readonly fired: unknown };
    return Array.isArray(fired) && fired.every(isFired) ? fired : undefined;
  } catch {
    return undefined;
  }
}

function isFired(value: unknown): value is Fired {
  if (!Array.isArray(value) || value.length !== 5) return false;
  const [tenant, id, incarnation, ...instants]: unknown[] = value;
  return [tenant, id, incarnation].every((text) => typeof text === "string") && instants.every(Number.isFinite);
}
