// What a step changes in the counters of lanes, gathered per lane.
import type { FinishedState } from "../job.ts";
import type { Place } from "../stored-job.ts";

/** What changes in one lane. */
export interface LaneDelta {
  readonly queue: string;
  readonly tenant: string;
  ready: number;
  deferred: number;
  held: number;
  active: number;
  completed: number;
  failed: number;
  cancelled: number;
  completed_total: number;
  failed_total: number;
  cancelled_total: number;
}

const noneChanged = {
  ready: 0,
  deferred: 0,
  held: 0,
  active: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  completed_total: 0,
  failed_total: 0,
  cancelled_total: 0,
};

/** The counters' names. */
export const counters = Object.keys(noneChanged) as readonly (keyof typeof noneChanged)[];

export class LaneChanges {
  #deltas = new Map<string, Map<string, LaneDelta>>();

  add(queue: string, tenant: string, place: Place, count: number): void {
    this.#of(queue, tenant)[place] += count;
  }

  addEnded(queue: string, tenant: string, state: FinishedState, count: number): void {
    this.#of(queue, tenant)[`${state}_total`] += count;
  }

  /** The lanes whose counters have changed. */
  rows(): LaneDelta[] {
    const all = [...this.#deltas.values()].flatMap((tenants) => [...tenants.values()]);
    return all.filter((delta) => counters.some((counter) => delta[counter] !== 0));
  }

  /** Every lane that was touched, whatever came of it. */
  touched(): readonly { readonly queue: string; readonly tenant: string }[] {
    return [...this.#deltas.values()].flatMap((tenants) => [...tenants.values()]);
  }

  copy(): readonly LaneDelta[] {
    return this.touched().map((delta) => ({ ...(delta as LaneDelta) }));
  }

  restore(rows: readonly LaneDelta[]): void {
    this.#deltas = new Map();
    for (const row of rows) Object.assign(this.#of(row.queue, row.tenant), row);
  }

  #of(queue: string, tenant: string): LaneDelta {
    let tenants = this.#deltas.get(queue);
    if (tenants === undefined) {
      tenants = new Map();
      this.#deltas.set(queue, tenants);
    }
    let delta = tenants.get(tenant);
    if (delta === undefined) {
      delta = { queue, tenant, ...noneChanged };
      tenants.set(tenant, delta);
    }
    return delta;
  }
}
