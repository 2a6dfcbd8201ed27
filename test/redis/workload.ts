// Random work on a deployment by several clients at once, who get into each other's way on few queues, keys and schedules; and
// an account of what they were answered, which no two of them may contradict.
import type { Engine, FireAnswer } from "../../src/core/engine.ts";
import { LimitExceededError } from "../../src/core/errors.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { type Entropy, mintJobId, mintToken } from "../../src/core/id.ts";
import type { ClaimedJob, NewJob } from "../../src/core/job.ts";
import { leaseOf, type Settlement } from "../../src/core/settling.ts";
import {
  cancellation,
  claimRequest,
  completion,
  definition,
  failure,
  newJob,
  release,
  retrying,
  schedulePut,
  secondMs,
  triggerDecision,
} from "../../src/testing/conformance/builders.ts";
import type { Random } from "../simulation/random.ts";

export const queues = ["mail", "calls", "limited"] as const;
const tenants = ["acme", "beta", "guarded", "capped"] as const;
const keys = ["a", "b", "c"] as const;
const overlaps = ["skip", "queue", "replace", "allow"] as const;

/** What the tenant "guarded" may have waiting, and what the queue "limited" and the tenant "capped" may have active. */
export const pendingMax = 12;
export const activeMax = 2;

/** Sets up the limits that all work under. */
export async function setUp({ tenants: records, queues: limits }: Engine): Promise<void> {
  await records.put([
    { id: "guarded", guardrails: { maxPendingJobs: pendingMax } },
    { id: "capped", concurrency: activeMax, weight: 2 },
  ]);
  await limits.put([{ name: "limited", concurrency: activeMax }]);
}

/** What all clients of a process were answered. */
export class Account {
  /** Jobs that were accepted. */
  readonly accepted = new Set<string>();
  /** Jobs whose insert was made again: one that has ended meanwhile, and of which nothing was kept, is made anew (J15). */
  readonly repeated = new Set<string>();
  /** Jobs in some client's hands; a lease may be in two, and be over. */
  readonly held: ClaimedJob[] = [];
  readonly contradictions: string[] = [];
  readonly done = new Map<string, number>();
  readonly #claims = new Map<string, string>();
  readonly #settled = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #ticks = new Set<string>();
  readonly #knowsAll: boolean;

  /** @param knowsAll whether all that is inserted goes through this account; else another process may insert again */
  constructor({ knowsAll }: { readonly knowsAll: boolean }) {
    this.#knowsAll = knowsAll;
  }

  claimed(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) {
      const name = `${job.id} attempt ${job.attempt}`;
      const isAnew = this.repeated.has(job.id) || (!this.#knowsAll && this.#ended.has(name));
      if (this.#claims.has(name) && !isAnew) this.contradictions.push(`J2 ${name} was given twice`);
      this.#claims.set(name, job.token);
      this.held.push(job);
    }
  }

  settled({ lease, outcome }: Settlement, answer: string): void {
    if (answer !== "settled") return;
    const name = `${lease.id} attempt ${lease.attempt}`;
    if (this.#claims.get(name) !== lease.token) this.contradictions.push(`J3 ${name} was settled by a stranger`);
    this.#ended.add(name);
    // The exact repeat of what ended a job is told that it is settled, whatever it says.
    this.#settled.add(`${name} ${outcome}`);
  }

  fired({ fired }: FireAnswer, incarnations: ReadonlyMap<string, string>): void {
    for (const { tenant, id, ticks } of fired) {
      for (const { tick } of ticks) {
        const name = `${tenant} ${id} ${incarnations.get(`${tenant} ${id}`) ?? ""} ${tick}`;
        if (this.#ticks.has(name)) this.contradictions.push(`S2 ${name} fired twice`);
        this.#ticks.add(name);
      }
    }
  }
}

export interface Client {
  readonly engine: Engine;
  readonly random: Random;
  readonly account: Account;
  /** Lets time pass. */
  pass(ms: number): void;
}

type Work = (client: Client) => Promise<unknown>;

const works: readonly (readonly [share: number, name: string, work: Work])[] = [
  [22, "insert", insert],
  [20, "claim", claim],
  [22, "settle", settle],
  [6, "extend", extend],
  [8, "change", change],
  [8, "fire", fire],
  [4, "trigger", trigger],
  [5, "put", put],
  [2, "remove", remove],
  [2, "purge", purge],
  [2, "limits", limits],
  [4, "pass", async ({ pass, random }) => pass(random.pick([1, 100, secondMs, 10 * secondMs, 40 * secondMs]))],
];

const shares = works.reduce((sum, [share]) => sum + share, 0);

/** Does one thing. */
export async function work(client: Client): Promise<void> {
  let left = client.random.next() * shares;
  for (const [share, name, one] of works) {
    left -= share;
    if (left >= 0) continue;
    await one(client);
    client.account.done.set(name, (client.account.done.get(name) ?? 0) + 1);
    return;
  }
}

/** Builders count their ids, and every process counts from the same number on. */
function words({ random }: Pick<Client, "random">): Entropy {
  return [random.between(0, 2 ** 32 - 1), random.between(0, 2 ** 32 - 1)];
}

function made(client: Client, tenant: string): NewJob {
  const { random } = client;
  const keyed = random.chance(0.5);
  const onConflict = random.pick(["replace", "replace", "ignore", "error"] as const);
  return newJob({
    id: mintJobId(tenant, 0, words(client)),
    tenant,
    queue: random.pick(queues),
    priority: random.pick([1, 5, 5, 10]),
    due: random.pick([{ afterMs: 0 }, { afterMs: 0 }, { afterMs: secondMs }, { afterMs: 20 * secondMs }]),
    input: JSON.stringify("x".repeat(random.between(0, 40))),
    ...(keyed ? { key: random.pick(keys), onConflict } : {}),
    ...(random.chance(0.1) ? { idempotency: { key: random.pick(["once", "twice"]), body: "" } } : {}),
    ...(random.chance(0.2) ? { attemptsMax: 2 } : {}),
  });
}

async function insert(client: Client): Promise<void> {
  const { engine, random, account } = client;
  const inserts = Array.from({ length: random.pick([1, 1, 2]) }, () => {
    const tenant = random.pick(tenants);
    return { jobs: Array.from({ length: random.pick([1, 1, 3]) }, () => made(client, tenant)) };
  });
  const answers = await engine.jobs.insert(inserts);
  // A call whose answer was lost is made again.
  if (random.chance(0.1)) {
    for (const { jobs } of inserts) for (const { id } of jobs) account.repeated.add(id);
    await engine.jobs.insert(inserts);
  }
  for (const answer of answers) {
    if (answer.outcome === "inserted") for (const { id } of answer.jobs) account.accepted.add(id);
  }
}

async function claim(client: Client): Promise<void> {
  const { engine, random, account } = client;
  const claimId = mintToken(words(client));
  const limit = random.pick([1, 2, 5, 20]);
  const wants = queues.map((queue) => ({ queue, limit })).filter(() => random.chance(0.7));
  const starts = random.pick([limit, limit, 1, 0]);
  account.claimed(
    (await engine.jobs.claim(claimRequest({ claimId, wants, limit, starts, leaseMs: 30 * secondMs }))).jobs,
  );
}

const endings = [completion, completion, completion, failure, retrying, release, cancellation] as const;

/** Some of what is in anybody's hands: now and then stale, or twice. */
function taken({ account, random }: Client): ClaimedJob[] {
  const some: ClaimedJob[] = [];
  for (let left = random.between(1, 6); left > 0 && account.held.length > 0; left--) {
    const at = random.between(0, account.held.length - 1);
    const job = account.held[at];
    if (job !== undefined && !some.includes(job)) some.push(job);
    if (random.chance(0.8)) account.held.splice(at, 1);
  }
  return some;
}

async function settle(client: Client): Promise<void> {
  const { engine, random, account } = client;
  const settlements = taken(client).map((job) => {
    const keep = random.pick([{}, {}, { ageMs: secondMs }, "nothing"] as const);
    return random.pick(endings)(job, { keep });
  });
  if (settlements.length === 0) return;
  const answers = await engine.jobs.settle(settlements);
  for (const [index, settlement] of settlements.entries()) account.settled(settlement, answers[index]?.outcome ?? "");
}

async function extend({ engine, random, account }: Client): Promise<void> {
  if (account.held.length === 0) return;
  const extensions = Array.from({ length: random.between(1, 4) }, () => ({
    lease: leaseOf(random.pick(account.held)),
    ...(random.chance(0.3) ? { progress: 50 } : {}),
    started: true,
  }));
  await engine.jobs.extend(extensions, 30 * secondMs);
}

async function change({ engine, random, account }: Client): Promise<void> {
  const kind = random.pick(["cancel", "retry", "reschedule", "update"] as const);
  const parts = { cancel: {}, retry: {}, reschedule: { due: { afterMs: secondMs } }, update: { input: "1" } }[kind];
  const byKey = { tenant: random.pick(tenants), queue: random.pick(queues), key: random.pick(keys) };
  const ids = [...account.accepted].slice(-60);
  const name = random.chance(0.5) || ids.length === 0 ? byKey : { id: random.pick(ids) };
  await engine.jobs.change([{ name, change: { kind, ...parts } as never }]);
}

const schedules = tenants.map((tenant, index) => ({ tenant, id: `s-${index}`, overlap: overlaps[index] ?? "allow" }));

async function put(client: Client): Promise<void> {
  const { engine, random } = client;
  const incarnation = mintToken(words(client));
  const { overlap, ...ref } = random.pick(schedules);
  const rule = { kind: "every", everyMs: 5 * secondMs, anchor: 0 } as const;
  const enabled = random.chance(0.8);
  const parts = { queue: random.pick(queues), overlap, rule, input: `${random.between(1, 3)}` };
  const given = definition(parts);
  await engine.schedules.put([
    schedulePut({ ...ref, incarnation, definition: given, enabled, cancelPending: !enabled }),
  ]);
}

async function remove({ engine, random }: Client): Promise<void> {
  const { tenant, id } = random.pick(schedules);
  await engine.schedules.remove([{ tenant, id, cancelPending: random.chance(0.5) }]);
}

async function fire({ engine, account }: Client): Promise<void> {
  const incarnations = new Map<string, string>();
  const answer = await engine.schedules.fire({
    limit: 10,
    decide: (due, now) => {
      for (const { schedule } of due) incarnations.set(`${schedule.tenant} ${schedule.id}`, schedule.incarnation);
      return decideFiring(due, now);
    },
  });
  account.fired(answer, incarnations);
}

async function trigger(client: Client): Promise<void> {
  const { engine, random } = client;
  const { tenant, id } = random.pick(schedules);
  const decide = triggerDecision(mintToken(words(client)));
  try {
    await engine.schedules.fire({ limit: 1, decide, only: [{ tenant, id }] });
    if (random.chance(0.3)) await engine.schedules.fire({ limit: 1, decide, only: [{ tenant, id }] });
  } catch (error) {
    if (!(error instanceof LimitExceededError)) throw error;
  }
}

async function purge({ engine, random }: Client): Promise<void> {
  const completedCountMax = random.pick([0, 10, 100]);
  await engine.jobs.purge({ completedCountMax, endedCountMax: 10, limit: random.pick([5, 500]) });
}

async function limits({ engine, random }: Client): Promise<void> {
  await engine.queues.put([{ name: random.pick(queues), paused: random.chance(0.3) }]);
  await engine.tenants.put([{ id: random.pick(["acme", "beta"]), weight: random.between(1, 3) }]);
}
