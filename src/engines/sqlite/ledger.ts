// The ledger of core's steps over a transaction: their reads and writes are statements, run as they come.
import type { Millis } from "../../core/clock.ts";
import type { NewEvent } from "../../core/events.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import type { JobId } from "../../core/id.ts";
import type { FinishedState, Job } from "../../core/job.ts";
import type { KeyName, Ledger, Slots, UsedKey } from "../../core/ledger.ts";
import type { Schedule, ScheduleRef, Unfinished } from "../../core/schedule.ts";
import { findUsedKey, rememberKey } from "./idempotency.ts";
import { findJob, findLive, findReplaced, hasUnfinished, saveJob, slotsOf, unfinishedOf } from "./job-table.ts";
import { wakeLimited } from "./queues.ts";
import type { Stored } from "./rows.ts";
import { countActive, findSchedule, hasFired, isUnmoved, removeSchedule, saveSchedule } from "./schedule-table.ts";
import type { Tx } from "./tx.ts";

/** A transaction as core's steps see it. */
export function ledgerOf(tx: Tx): Ledger<Stored> {
  return new TxLedger(tx);
}

class TxLedger implements Ledger<Stored> {
  readonly now: Millis;
  readonly auditsAll: boolean;
  readonly #tx: Tx;

  constructor(tx: Tx) {
    this.now = tx.now;
    this.auditsAll = tx.auditsAll;
    this.#tx = tx;
  }

  findLive(id: JobId): Stored | undefined {
    return findLive(this.#tx, id);
  }

  findJob(id: JobId): Stored | undefined {
    return findJob(this.#tx, id);
  }

  findReplaced(id: JobId): Stored | undefined {
    return findReplaced(this.#tx, id);
  }

  slotsOf(name: KeyName): Slots<Stored> {
    return slotsOf(this.#tx, name);
  }

  saveJob(job: Job, before?: Stored): void {
    saveJob(this.#tx, job, before);
  }

  countEnded(queue: string, tenant: string, state: FinishedState): void {
    this.#tx.lanes.addEnded(queue, tenant, state, 1);
  }

  placeFreed(queue: string): void {
    wakeLimited(this.#tx, queue);
  }

  cancelling(id: JobId): void {
    this.#tx.cancelling(id);
  }

  hasUnfinished(incarnation: string): boolean {
    return hasUnfinished(this.#tx, incarnation);
  }

  unfinishedOf(incarnation: string): Unfinished[] {
    return unfinishedOf(this.#tx, incarnation);
  }

  findSchedule(ref: ScheduleRef): Schedule | undefined {
    return findSchedule(this.#tx, ref);
  }

  saveSchedule(schedule: Schedule): void {
    saveSchedule(this.#tx, schedule);
  }

  removeSchedule(ref: ScheduleRef): boolean {
    return removeSchedule(this.#tx, ref);
  }

  isUnmoved(schedule: Schedule): boolean {
    return isUnmoved(this.#tx, schedule);
  }

  countActive(tenant: string): number {
    return countActive(this.#tx, tenant);
  }

  tick(dueAt: Millis): void {
    this.#tx.tick(dueAt);
  }

  hasFired(job: JobId): boolean {
    return hasFired(this.#tx, job);
  }

  guardrails(tenant: string, given: Guardrails | undefined): Guardrails {
    return this.#tx.tenants.guardrails(tenant, given);
  }

  unfinished(tenant: string): number {
    return this.#tx.lanes.unfinished(tenant);
  }

  usedKey(tenant: string, key: string): UsedKey | undefined {
    return findUsedKey(this.#tx, tenant, key);
  }

  rememberKey(tenant: string, key: string, used: UsedKey, expiresAt: Millis): void {
    rememberKey(this.#tx, tenant, key, used, expiresAt);
  }

  append(event: NewEvent | undefined): void {
    this.#tx.append(event);
  }

  part<T>(work: () => T): T {
    return this.#tx.part(work);
  }
}
