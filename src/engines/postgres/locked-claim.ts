// A claim from queues that are locked, while its transaction is open: what is seen of them and what others have in hand.
// Counters are exact here: they are folded under the lock, and nobody else gives anything of these queues.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { ClaimRequest } from "../../core/engine.ts";
import { lockQueues, lockTenants } from "./claim-locks.ts";
import { type Look, lookOf, mostOf, type OpenQueue, toLook, type Want } from "./claim-look.ts";
import { freeStanding } from "./claim-standing.ts";
import { ClaimWrites } from "./claim-writes.ts";
import { runAll, type Statement } from "./connections.ts";
import { giveUpPlaces } from "./held-places.ts";
import { foldOf, foldsOn, type LaneName } from "./lanes.ts";
import { type ReadyLane, readyLanesOf, type Standing, standingOf } from "./limited-lanes.ts";
import { fullOf, promoteOf } from "./promoting.ts";
import type { Row } from "./sql.ts";
import type { Step } from "./steps.ts";
import { TenantLimits } from "./tenant-limits.ts";

/** After so many ms it is worth looking again for rows that another transaction holds. */
const heldRetryMs = defaults.postgres.heldRetryMs;

/** What a look without a lock has shown. */
export interface Chosen {
  readonly look: Look;
  /** The queues to be claimed from, in the order in which they are wanted. */
  readonly queues: readonly string[];
  readonly standings: ReadonlyMap<string, Standing>;
}

/** A claim while its transaction is open. */
export class LockedClaim {
  readonly step: Step;
  readonly request: ClaimRequest;
  readonly auditsAll: boolean;
  readonly writes: ClaimWrites;
  readonly #wants: readonly Want[];
  readonly #chosen: Chosen;
  #limits: TenantLimits | undefined;
  #look: Look;
  #lanes = new Map<string, readonly ReadyLane[]>();
  /** Lanes that others have in hand. */
  readonly short: LaneName[] = [];

  constructor(step: Step, request: ClaimRequest, chosen: Chosen, auditsAll: boolean) {
    this.step = step;
    this.request = request;
    this.auditsAll = auditsAll;
    this.writes = new ClaimWrites(step, request);
    this.#chosen = chosen;
    this.#look = chosen.look;
    const names = new Set(chosen.queues);
    this.#wants = request.wants.filter(({ queue }) => names.has(queue));
  }

  get now(): Millis {
    return this.step.now;
  }

  get open(): readonly OpenQueue[] {
    return this.#look.open;
  }

  /** Absent where no tenant's claims are limited. */
  get limits(): TenantLimits | undefined {
    return this.#limits;
  }

  /** The lanes of a queue that may be given something, where no tenant is limited. */
  lanesOf(queue: string): readonly ReadyLane[] {
    return this.#lanes.get(queue) ?? [];
  }

  /** Locks, brings the counters up to date, and looks. */
  async begin(): Promise<void> {
    const { queues, look } = this.#chosen;
    const due = look.open.filter(({ deferredUntil }) => deferredUntil !== undefined && deferredUntil <= this.now);
    const promoted = due.map(({ name }) => name).filter((name) => queues.includes(name));
    const answers = await this.#refresh([lockQueues(queues), ...promoteOf(promoted, this.now)], look.limitAny);
    this.#noteHeld(promoted, answers[1] ?? []);
    // Locked after the look: a lease's tenant may have no lane that is listed.
    const hasExpired = this.open.some(({ leaseUntil }) => leaseUntil !== undefined && leaseUntil <= this.now);
    if (this.#look.limitAny && (!look.limitAny || hasExpired)) {
      await runAll(this.step.session, [lockTenants(queues, true)]);
    }
  }

  /** Looks again, after something was decided. */
  async refresh(): Promise<void> {
    await this.#refresh([], this.#look.limitAny);
  }

  async #refresh(before: readonly Statement[], limitAny: boolean): Promise<Row[][]> {
    const { queues } = this.#chosen;
    const { session } = this.step;
    const fold = foldOf(queues);
    const folded = [...before, fold, ...(limitAny ? [lockTenants(queues)] : [])];
    const most = this.#wants.map((want) => ({ queue: want.queue, most: mostOf(want, this.request.limit) }));
    const looks = [lookOf(this.#wants, this.request.limit, this.now), readyLanesOf(most)];
    const answers = await runAll(session, [...folded, ...looks]);
    let [looked = [], lanes = []]: Row[][] = answers.slice(-2);
    if (foldsOn(answers[before.length] ?? [])) {
      while (foldsOn(await session.run(fold[0], fold[1])));
      [looked = [], lanes = []] = await runAll(session, looks);
    }
    this.#look = toLook(this.#wants, looked);
    this.#limits = this.#look.limitAny ? (this.#limits ?? new TenantLimits(session, this.now)) : undefined;
    this.#lanes = byQueue(lanes as ReadyLane[]);
    return answers;
  }

  /** What is due, was not too much, and is still deferred another transaction has in hand. */
  #noteHeld(queues: readonly string[], promoted: readonly Row[]): void {
    const full = fullOf(promoted);
    for (const queue of this.open) {
      const isDue = queue.deferredUntil !== undefined && queue.deferredUntil <= this.now;
      if (isDue && queues.includes(queue.name) && !full.has(queue.name)) queue.deferredUntil = this.now + heldRetryMs;
    }
  }

  /** Gives up places of dead workers that jobs of these queues wait for. */
  async giveUp(): Promise<void> {
    const { starts, leaseMs } = this.request;
    if (this.#limits === undefined || starts < 1) return;
    const queues = this.open.map(({ name }) => name);
    if (await giveUpPlaces(this.step, this.#limits, { queues, leaseMs, now: this.now })) await this.refresh();
  }

  /** What waits in the locked queues once this claim has taken what it takes. */
  async standings(taken: ReadonlyMap<number, number>): Promise<Map<string, Standing>> {
    const names = this.open.map(({ name }) => name);
    if (this.#limits !== undefined) {
      return standingOf(this.step.session, names, { now: this.now, starts: this.request.starts }, this.short);
    }
    const isShort = (lane: ReadyLane) =>
      this.short.some(({ queue, tenant }) => queue === lane.queue && tenant === lane.tenant);
    const standings = new Map<string, Standing>();
    for (const [index, { queue }] of this.#wants.entries()) {
      const lanes = this.lanesOf(queue);
      const isMore = lanes.length > mostOf(this.#wants[index] as Want, this.request.limit);
      const claimable = isMore || lanes.some((lane) => !isShort(lane) && lane.ready > (taken.get(lane.lane) ?? 0));
      if (claimable) standings.set(queue, freeStanding);
    }
    return standings;
  }

  /** The queues of the claim as they were seen last: those that are locked, and the others. */
  lookAtAll(): Pick<Look, "open" | "paused" | "limited"> {
    const { look, queues } = this.#chosen;
    const isOther = (name: string) => !queues.includes(name);
    const order = new Map(this.request.wants.map(({ queue }, index) => [queue, index]));
    const inOrder = (a: string, b: string) => (order.get(a) ?? 0) - (order.get(b) ?? 0);
    const merged = (of: (look: Look) => readonly string[]) =>
      [...of(look).filter(isOther), ...of(this.#look)].sort(inOrder);
    return {
      open: [...look.open.filter(({ name }) => isOther(name)), ...this.open],
      paused: merged(({ paused }) => paused),
      limited: merged(({ limited }) => limited),
    };
  }

  /** What the queues that are not locked showed. */
  otherStandings(): [string, Standing][] {
    return [...this.#chosen.standings].filter(([name]) => !this.#chosen.queues.includes(name));
  }
}

function byQueue(lanes: readonly ReadyLane[]): Map<string, ReadyLane[]> {
  const queues = new Map<string, ReadyLane[]>();
  for (const lane of lanes) {
    const found = queues.get(lane.queue);
    if (found === undefined) queues.set(lane.queue, [lane]);
    else found.push(lane);
  }
  return queues;
}
