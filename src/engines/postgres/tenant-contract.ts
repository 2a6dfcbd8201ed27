// The contract for a role that sees one tenant's rows at a time (N3): each call is made as the tenant that it is about,
// a list tenant by tenant. What is about everybody is refused, as it would find nothing and say so.
import type { Engine, FireAnswer, InspectionStore, TransferStore } from "../../core/engine.ts";
import { EngineNotConfiguredError, InvalidInputError } from "../../core/errors.ts";
import { answersOf, type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import type { TenantId } from "../../core/tenant.ts";

/** What is done as a tenant. */
export type Contract = Pick<
  Engine,
  "name" | "capabilities" | "jobs" | "schedules" | "queues" | "tenants" | "records" | "events" | "now" | "inspection"
>;

/** Where calls go. */
export interface Ways {
  /** The contract over all tenants. */
  readonly all: Contract;
  readonly of: (tenant: TenantId) => Contract;
  /** The connections' role when it sees one tenant's rows only. */
  readonly role: () => string | undefined;
}

/** Sends each call its way: over all tenants where the role sees all, else as its tenant. */
export function tenantContract(ways: Ways): Contract {
  const { all } = ways;
  const jobs = jobsOf(ways);
  const schedules = schedulesOf(ways);
  return {
    name: all.name,
    capabilities: all.capabilities,
    now: () => all.now(),
    jobs,
    schedules,
    queues: {
      put: async (...call) => forAll(ways, "to change queues").queues.put(...call),
      list: async (...call) => forAll(ways, "to list queues").queues.list(...call),
    },
    tenants: {
      put: async (...call) => forAll(ways, "to change tenants").tenants.put(...call),
      get: (ids) =>
        spread(
          ways,
          ids,
          (id) => id,
          (contract, some) => contract.tenants.get(some),
        ),
      list: async (...call) =>
        call[0].id === undefined
          ? forAll(ways, "to list tenants").tenants.list(...call)
          : as(ways, call[0].id).tenants.list(...call),
    },
    records: {
      // The one record that it may see is the mark of an unfinished copy.
      get: (keys) => all.records.get(keys),
      put: async (...call) => forAll(ways, "to keep records").records.put(...call),
      list: async (...call) => forAll(ways, "to list records").records.list(...call),
      remove: async (...call) => forAll(ways, "to remove records").records.remove(...call),
    },
    events: {
      append: async (events) => {
        await spread(
          ways,
          events,
          ({ tenant }) => tenant,
          async (contract, some) => {
            await contract.events.append(some);
            return [...some];
          },
        );
      },
      list: async (...call) => as(ways, call[0].tenant).events.list(...call),
      purge: async (...call) => forAll(ways, "to purge events").events.purge(...call),
    },
    inspection: {
      standing: async (...call) => forAll(ways, "to explain a job").inspection.standing(...call),
      schedules: async (...call) => forAll(ways, "to look at the schedules of all").inspection.schedules(...call),
      findings: async () => forAll(ways, "to look at the store's health").inspection.findings(),
    } satisfies InspectionStore,
  };
}

/** A copy reads and writes everything. */
export function tenantTransfer(ways: Ways, transfer: TransferStore): TransferStore {
  const given = () => {
    forAll(ways, "to copy the store");
    return transfer;
  };
  return {
    read: async (request) => given().read(request),
    counts: async () => given().counts(),
    write: async (request) => given().write(request),
  };
}

function jobsOf(ways: Ways): Contract["jobs"] {
  return {
    insert: (inserts) =>
      spread(
        ways,
        inserts,
        ({ jobs }) => jobs[0]?.tenant,
        (contract, some) => contract.jobs.insert(some),
      ),
    claim: async (request) => forAll(ways, "to claim jobs").jobs.claim(request),
    extend: async (...call) => forAll(ways, "to extend leases").jobs.extend(...call),
    settle: async (settlements) => forAll(ways, "to settle jobs").jobs.settle(settlements),
    change: (changes, guardrails) =>
      spread(
        ways,
        changes,
        ({ name }) => name.tenant,
        (contract, some) => contract.jobs.change(some, guardrails),
      ),
    get: async (id, tenant) => as(ways, tenant).jobs.get(id, tenant),
    list: async (filter, page) => as(ways, filter.tenant).jobs.list(filter, page),
    stats: async (filter) => as(ways, filter.tenant).jobs.stats(filter),
    purge: async (request) => {
      const tenant = request.finished?.tenant;
      return (tenant === undefined ? forAll(ways, "to purge") : as(ways, tenant)).jobs.purge(request);
    },
  };
}

function schedulesOf(ways: Ways): Contract["schedules"] {
  return {
    put: (puts, guardrails) =>
      spread(
        ways,
        puts,
        ({ tenant }) => tenant,
        (contract, some) => contract.schedules.put(some, guardrails),
      ),
    get: async (ref) => as(ways, ref.tenant).schedules.get(ref),
    list: async (filter, page) => as(ways, filter.tenant).schedules.list(filter, page),
    remove: (removals) =>
      spread(
        ways,
        removals,
        ({ tenant }) => tenant,
        (contract, some) => contract.schedules.remove(some),
      ),
    fire: async (request) => {
      const { only } = request;
      if (ways.role() === undefined) return ways.all.schedules.fire(request);
      if (only === undefined) return forAll(ways, "to fire schedules").schedules.fire(request);
      const answers = await spread(
        ways,
        only,
        ({ tenant }) => tenant,
        async (contract, some) => {
          const answer = await contract.schedules.fire({ ...request, only: some });
          return some.map((_, index) => (index === 0 ? answer : { fired: [] }));
        },
      );
      return together(answers);
    },
  };
}

function together(answers: readonly FireAnswer[]): FireAnswer {
  const next = answers.flatMap(({ nextDueAt }) => nextDueAt ?? []);
  const fired = answers.flatMap((answer) => answer.fired);
  return next.length === 0 ? { fired } : { fired, nextDueAt: Math.min(...next) };
}

/** @throws InvalidInputError when a call names no tenant and has to */
function as({ all, of, role }: Ways, tenant: TenantId | undefined): Contract {
  const name = role();
  if (name === undefined) return all;
  if (tenant !== undefined) return of(tenant);
  throw new InvalidInputError(`tenant must be given: the role ${name} sees the rows of one tenant at a time`, {
    field: "tenant",
    mend: 'Use a tenant\'s handle, scheduler.tenant("acme"); for the whole store, connect as a member of punctual_worker or punctual_master.',
  });
}

/** @throws EngineNotConfiguredError for a role that sees one tenant's rows only */
function forAll({ all, role }: Ways, what: string): Contract {
  const name = role();
  if (name === undefined) return all;
  throw new EngineNotConfiguredError(`the role ${name} sees the rows of one tenant only, which is not enough ${what}`, {
    field: "location",
    mend: "Connect as a member of punctual_worker to run jobs and schedules, of punctual_master to administer the store.",
  });
}

/** @throws EngineNotConfiguredError for a role that sees one tenant's rows only: it can run none of a process's roles */
export function expectAll(ways: Ways): void {
  forAll(ways, "to run jobs, schedules or the janitor");
}

/** Makes a call with a list, tenant by tenant, and puts the answers in order. */
function spread<Item, Answer>(
  ways: Ways,
  items: readonly Item[],
  tenantOf: (item: Item) => TenantId | undefined,
  call: (contract: Contract, items: readonly Item[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  return ways.role() === undefined ? call(ways.all, items) : eachTenant(ways, items, tenantOf, call);
}

async function eachTenant<Item, Answer>(
  ways: Ways,
  items: readonly Item[],
  tenantOf: (item: Item) => TenantId | undefined,
  call: (contract: Contract, items: readonly Item[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  const groups = new Map<TenantId | undefined, number[]>();
  for (const [index, item] of items.entries()) {
    const tenant = tenantOf(item);
    const group = groups.get(tenant);
    if (group === undefined) groups.set(tenant, [index]);
    else group.push(index);
  }
  // All are looked at before the first is written.
  const calls = [...groups].map(([tenant, indexes]) => ({ contract: as(ways, tenant), indexes }));
  const each: Outcome<Answer>[] = [];
  for (const { contract, indexes } of calls) {
    const some = indexes.flatMap((index) => items[index] ?? []);
    const outcomes = await outcomesOf(some.length, () => call(contract, some));
    for (const [place, outcome] of outcomes.entries()) each[indexes[place] ?? 0] = outcome;
  }
  return answersOf(each);
}
