// The stored schedules of a source: read, saved and removed in small steps, so that jobs and ticks have their turn between.
import { defaults } from "../core/defaults.ts";
import type { PutAnswer } from "../core/engine.ts";
import type { SchedulePut, ScheduleRef } from "../core/schedule.ts";
import type { ClientHost } from "./client-host.ts";
import { sendPuts } from "./schedule-put.ts";

/** A stored schedule as it was when it was read. */
export interface StoredRef extends ScheduleRef {
  readonly revision: number;
  readonly incarnation: string;
}

/** A schedule to remove: this incarnation only, and with `expected` if it is still at that revision. */
export interface Removal extends ScheduleRef {
  readonly of: string;
  readonly expected?: number;
}

export class SourceSchedules {
  readonly #host: ClientHost;
  readonly #actor: string;
  readonly #signal: AbortSignal;

  /** @param signal ends every method between two steps */
  constructor(host: ClientHost, actor: string, signal: AbortSignal) {
    this.#host = host;
    this.#actor = actor;
    this.#signal = signal;
  }

  /** Those whose id begins so, by `keyOf`; of every tenant when none is named. */
  async read(idPrefix: string, tenant?: string): Promise<Map<string, StoredRef>> {
    const { schedules } = await this.#host.engine();
    const found = new Map<string, StoredRef>();
    let cursor: string | undefined;
    do {
      const page = { limit: defaults.sourceBatch, ...(cursor === undefined ? {} : { cursor }) };
      const { items, next } = await schedules.list({ idPrefix, tenant }, page);
      for (const { tenant, id, revision, incarnation } of items) {
        found.set(keyOf({ tenant, id }), { tenant, id, revision, incarnation });
      }
      cursor = next;
      await this.pause();
    } while (cursor !== undefined);
    return found;
  }

  /** Saves several, each by itself. */
  async put(puts: readonly SchedulePut[]): Promise<readonly PutAnswer[]> {
    const answers: PutAnswer[] = [];
    for (let from = 0; from < puts.length; from += defaults.sourceBatch) {
      const batch = puts.slice(from, from + defaults.sourceBatch);
      answers.push(
        ...(await sendPuts(
          this.#host,
          batch.map((put) => ({ ...put, actor: this.#actor })),
        )),
      );
      await this.pause();
    }
    return answers;
  }

  /** Answers how many were removed. */
  async remove(removals: readonly Removal[]): Promise<number> {
    const { schedules } = await this.#host.engine();
    let removed = 0;
    for (let from = 0; from < removals.length; from += defaults.sourceBatch) {
      const batch = removals.slice(from, from + defaults.sourceBatch);
      const outcomes = await schedules.remove(batch.map((ref) => ({ ...ref, actor: this.#actor })));
      for (const [index, { tenant, id }] of batch.entries()) {
        if (outcomes[index] !== "removed") continue;
        removed++;
        this.#host.emitter.emit("schedule:removed", { tenant, id });
      }
      await this.pause();
    }
    return removed;
  }

  /** Lets other work of the process have its turn. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#host.clock.soon(resolve));
    this.#signal.throwIfAborted();
  }
}

/** A schedule's place among those of all tenants. */
export function keyOf({ tenant, id }: ScheduleRef): string {
  return `${tenant}\n${id}`;
}
