// The tenants' records in memory, and what they leave to inserts and claims.
import type { Millis } from "../core/clock.ts";
import { effectiveGuardrails, type Guardrails } from "../core/guardrails.ts";
import type { RateWindow } from "../core/queue.ts";
import {
  limitsClaims,
  plainTenant,
  plainWeight,
  type Tenant,
  type TenantRoom,
  tenantRoom,
  windowAfterClaims,
} from "../core/tenant-record.ts";
import type { Lane } from "./lane.ts";

/** A tenant's record, with the claims that its rate counts. */
export interface StoredTenant {
  readonly record: Tenant;
  readonly window: RateWindow;
  /** Its limit was reached, and its lanes were passed over: they re-enter the fair share as lanes that fill do. */
  readonly passedOver: boolean;
}

/** What a book looks at: the lanes by queue and tenant, and where a lane enters a queue's fair share. */
export interface LaneBook {
  readonly lanes: ReadonlyMap<string, ReadonlyMap<string, Lane>>;
  enteringPass(queue: string): number;
  /** Brings up to date which lanes are in the fair share. */
  arrangeLanes(): void;
  /** A lane whose own values are about to change. */
  touchLane(lane: Lane): Lane;
  /** A tenant's record is about to change. */
  noteTenant(id: string, before: StoredTenant | undefined): void;
}

export class TenantBook {
  readonly #stored = new Map<string, StoredTenant>();
  readonly #limited = new Set<string>();
  readonly #book: LaneBook;

  constructor(book: LaneBook) {
    this.#book = book;
  }

  get(id: string): Tenant | undefined {
    return this.#stored.get(id)?.record;
  }

  all(): readonly { readonly record: Tenant; readonly window: RateWindow }[] {
    return [...this.#stored.values()];
  }

  /** Tenants whose claims are limited. */
  get limited(): ReadonlySet<string> {
    return this.#limited;
  }

  /** What its rate has counted. */
  windowOf(id: string): RateWindow {
    return this.#stored.get(id)?.window ?? [];
  }

  /** Stores a record over what there is of it. */
  save(record: Tenant, window: RateWindow, now: Millis, wasPassedOver: boolean): void {
    const limited = limitsClaims(record);
    const isFull = limited && tenantRoom(record, window, this.activeJobs(record.id), now).jobs === 0;
    this.#put(record.id, { record, window, passedOver: limited && (isFull || wasPassedOver) });
  }

  remove(id: string): void {
    this.#put(id, undefined);
  }

  /** All that is stored of a tenant. */
  storedOf(id: string): StoredTenant | undefined {
    return this.#stored.get(id);
  }

  /** Stores a tenant as it was, or as another process has decided. */
  putBack(id: string, stored: StoredTenant | undefined): void {
    this.#put(id, stored);
  }

  #put(id: string, stored: StoredTenant | undefined): void {
    this.#book.noteTenant(id, this.#stored.get(id));
    if (stored === undefined) this.#stored.delete(id);
    else this.#stored.set(id, stored);
    if (stored !== undefined && limitsClaims(stored.record)) this.#limited.add(id);
    else this.#limited.delete(id);
  }

  weightOf(id: string): number {
    return this.get(id)?.weight ?? plainWeight;
  }

  /** Its weight reaches the lanes that it has. */
  reweigh({ id, weight }: Tenant): void {
    for (const lane of this.#lanesOf(id)) this.#book.touchLane(lane).weight = weight;
  }

  /** The limits that hold for a tenant. */
  guardrailsOf(id: string, given: Guardrails | undefined): Guardrails {
    return effectiveGuardrails(this.get(id)?.guardrails, given);
  }

  /** What a tenant may be given now. */
  roomOf(id: string, now: Millis): TenantRoom {
    return tenantRoom(this.get(id) ?? plainTenant(id), this.windowOf(id), this.activeJobs(id), now);
  }

  /** Counts claims of a tenant; one that may be given no more is passed over until it may. */
  spend(id: string, claims: number, now: Millis): void {
    const stored = this.#stored.get(id);
    if (stored === undefined || !this.#limited.has(id)) return;
    const { record, window, passedOver } = stored;
    this.save(record, windowAfterClaims(record, window, claims, now), now, passedOver);
  }

  isPassedOver(id: string): boolean {
    return this.#stored.get(id)?.passedOver === true;
  }

  /** Its limit gives again: lanes that were passed over re-enter the fair share as lanes that fill do. */
  reenter(id: string): void {
    const stored = this.#stored.get(id);
    if (stored?.passedOver !== true) return;
    this.#book.arrangeLanes();
    for (const lane of this.#lanesOf(id)) {
      if (lane.isShared) this.#book.touchLane(lane).pass = Math.max(lane.pass, this.#book.enteringPass(lane.queue));
    }
    this.#put(id, { ...stored, passedOver: false });
  }

  /** Jobs of the tenant that are active. */
  activeJobs(id: string): number {
    return this.#lanesOf(id).reduce((sum, lane) => sum + lane.counts.active, 0);
  }

  /** Jobs of the tenant that are pending or active. */
  unfinishedJobs(id: string): number {
    return this.#lanesOf(id).reduce((sum, lane) => sum + lane.unfinished, 0);
  }

  /** The queues in which it has ready jobs. */
  readyQueuesOf(id: string): string[] {
    return this.#lanesOf(id).flatMap(({ queue, counts }) => (counts.ready > 0 ? [queue] : []));
  }

  /** The queues in which it has ready or active jobs. */
  claimedQueuesOf(id: string): string[] {
    return this.#lanesOf(id).flatMap(({ queue, counts }) => (counts.ready + counts.active > 0 ? [queue] : []));
  }

  #lanesOf(id: string): Lane[] {
    const own: Lane[] = [];
    for (const lanes of this.#book.lanes.values()) {
      const lane = lanes.get(id);
      if (lane !== undefined) own.push(lane);
    }
    return own;
  }
}
