// What whoever makes up a sequence knows so far: its plan, its randomness, and what the calls before were answered.
import type { ClaimAnswer, ClaimRequest, Engine, FireAnswer, Insert, InsertAnswer } from "../../src/core/engine.ts";
import { type JobId, mintJobId, mintToken, type Token } from "../../src/core/id.ts";
import type { ClaimedJob } from "../../src/core/job.ts";
import type { Settlement } from "../../src/core/settling.ts";
import type { TestClock } from "../../src/testing/conformance/harness.ts";
import type { Random } from "../simulation/random.ts";
import type { Call } from "./call.ts";
import type { Plan } from "./plan.ts";

/** A job that is or was stored. */
export interface KnownJob {
  readonly id: JobId;
  readonly tenant: string;
}

export class Scene {
  readonly plan: Plan;
  readonly random: Random;
  readonly clock: TestClock;
  /** The specification, to be read by who makes up calls: schedules and their revisions, records. */
  readonly model: Engine;
  readonly jobs: KnownJob[] = [];
  /** Those whose jobs were not settled yet, as far as is known; then the others. */
  live: ClaimedJob[] = [];
  readonly stale: ClaimedJob[] = [];
  readonly inserts: Insert[] = [];
  readonly claims: ClaimRequest[] = [];
  readonly settlements: Settlement[] = [];
  #serial = 0;

  constructor(plan: Plan, random: Random, clock: TestClock, model: Engine) {
    this.plan = plan;
    this.random = random;
    this.clock = clock;
    this.model = model;
  }

  get now(): number {
    return this.clock.now();
  }

  /** A number that no other thing of the sequence has. */
  serial(): number {
    return ++this.#serial;
  }

  #word(): number {
    return Math.floor(this.random.next() * 2 ** 32);
  }

  /** A new id; clients' clocks differ, so that ids do not always come in order. */
  newId(tenant: string): JobId {
    const behindMs = this.random.chance(0.2) ? this.random.between(0, 600_000) : 0;
    return mintJobId(tenant, this.now - behindMs, [this.#word(), this.#word()]);
  }

  newToken(): Token {
    return mintToken([this.#word(), this.#word()]);
  }

  /** One of some things, the newest the likeliest; undefined when there is none. */
  recent<Item>(items: readonly Item[]): Item | undefined {
    const back = Math.floor(this.random.next() ** 3 * items.length);
    return items.at(-1 - back);
  }

  get tenant(): string {
    return this.random.pick(this.plan.tenants);
  }

  get queue(): string {
    return this.random.pick(this.plan.queues);
  }

  get actor(): string | undefined {
    return this.random.chance(0.3) ? "ann" : undefined;
  }

  /** Takes in what the specification answered. */
  learn(call: Call, answer: unknown): void {
    if (typeof answer === "object" && answer !== null && "threw" in answer) return;
    if (call.op === "jobs.insert") this.#learnInserts(call.inserts, answer as readonly InsertAnswer[]);
    if (call.op === "schedules.fire") this.#learnFired(answer as FireAnswer);
    if (call.op === "jobs.settle") this.#learnSettled(call.settlements);
    if (call.op === "jobs.claim") this.#learnClaimed(call.request, answer as ClaimAnswer);
  }

  #learnInserts(inserts: readonly Insert[], answers: readonly InsertAnswer[]): void {
    this.inserts.push(...inserts);
    for (const [index, answer] of answers.entries()) {
      const tenant = inserts[index]?.jobs[0]?.tenant;
      if (tenant === undefined || answer.outcome !== "inserted") continue;
      for (const { id } of answer.jobs) this.#know({ id, tenant });
    }
  }

  #learnFired({ fired }: FireAnswer): void {
    for (const { tenant, ticks } of fired) for (const { job } of ticks) this.#know({ id: job, tenant });
  }

  #learnSettled(settlements: readonly Settlement[]): void {
    this.settlements.push(...settlements);
    const settled = new Set(settlements.map(({ lease }) => `${lease.id}/${lease.attempt}`));
    this.#retire((job) => settled.has(`${job.id}/${job.attempt}`));
  }

  #learnClaimed(request: ClaimRequest, { jobs }: ClaimAnswer): void {
    this.claims.push(request);
    const claimed = new Set(jobs.map(({ id }) => id));
    this.#retire(({ id }) => claimed.has(id));
    this.live.push(...jobs);
    for (const { id, tenant } of jobs) this.#know({ id, tenant });
  }

  #retire(isOver: (job: ClaimedJob) => boolean): void {
    this.stale.push(...this.live.filter(isOver));
    this.live = this.live.filter((job) => !isOver(job));
  }

  #know(job: KnownJob): void {
    if (!this.jobs.some(({ id }) => id === job.id)) this.jobs.push(job);
  }
}
