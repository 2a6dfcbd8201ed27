// What there is to look at in a test: every job and tick, past whatever the store under test is made to do.
import { defaults } from "../core/defaults.ts";
import type { Page } from "../core/page.ts";
import { type TickRecord, viewTick } from "../runtime/tick-history.ts";
import { type JobView, viewJob } from "../runtime/views.ts";
import type { KitStore } from "./kit-store.ts";

export class Evidence<Tx> {
  readonly #store: KitStore<Tx>;
  readonly #now: () => number;

  constructor(store: KitStore<Tx>, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Every job that is stored, in the order they were enqueued. */
  async jobs(): Promise<JobView[]> {
    const { jobs } = this.#store.inner;
    const all = await whole((page) => jobs.list({}, { ...page, sort: "oldest" }));
    return all.map((job) => viewJob(job, this.#now()));
  }

  /** A schedule's ticks, fired and skipped, in the order they were. */
  async ticks(tenant: string, schedule: string): Promise<TickRecord[]> {
    const { events } = this.#store.inner;
    const filter = { tenant, schedule, types: ["tick:fired", "tick:skipped"] } as const;
    const all = await whole((page) => events.list(filter, { ...page, order: "oldest" }));
    return all.flatMap((event) => viewTick(event) ?? []);
  }

  /** Whether there is such a schedule, or was one. */
  async knows(tenant: string, schedule: string): Promise<boolean> {
    const { schedules, events } = this.#store.inner;
    if ((await schedules.get({ tenant, id: schedule })) !== undefined) return true;
    const { items } = await events.list({ tenant, schedule }, { limit: 1, order: "oldest" });
    return items.length > 0;
  }

  /** The names of the schedules, with the tenant of those that are not the default's. */
  async schedules(): Promise<string[]> {
    const { schedules } = this.#store.inner;
    const all = await whole((page) => schedules.list({}, page));
    return all.map(({ tenant, id }) => (tenant === defaults.tenant ? id : `${id} of tenant ${tenant}`));
  }
}

async function whole<T>(list: (page: { limit: number; cursor?: string }) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  let page = await list({ limit: defaults.pageLimitMax });
  all.push(...page.items);
  while (page.next !== undefined) {
    page = await list({ limit: defaults.pageLimitMax, cursor: page.next });
    all.push(...page.items);
  }
  return all;
}
