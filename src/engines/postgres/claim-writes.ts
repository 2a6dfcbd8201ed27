// What a claim writes, gathered and sent together at its end.
import type { ClaimRequest } from "../../core/engine.ts";
import type { NewEvent } from "../../core/events.ts";
import type { OpenQueue } from "./claim-look.ts";
import { runAll, type Statement } from "./connections.ts";
import { eventStatements } from "./flush.ts";
import type { Step } from "./steps.ts";
import type { TenantLimits } from "./tenant-limits.ts";

// What applyClaim changes in a job that has no lease to recover, for many at once.
const claimStatement = `-- jobs.claim
UPDATE punctual.jobs AS jobs SET place = 'active', attempt = attempt + 1, token = $2, worker = $3,
  claimed_at = $4::bigint, lease_until = $5::bigint, started = new.started
FROM json_to_recordset($1::json) AS new (seq bigint, started boolean) WHERE jobs.seq = new.seq`;

const takeStatement = `-- lanes.take
UPDATE punctual.lanes AS lanes SET ready = lanes.ready - new.taken, active = lanes.active + new.taken,
  listed = lanes.ready > new.taken, pass = new.pass
FROM json_to_recordset($1::json) AS new (queue text, tenant text, taken integer, pass double precision)
WHERE lanes.queue = new.queue AND lanes.tenant = new.tenant`;

const moveLimitedStatement = `-- lanes.moveLimited
UPDATE punctual.lanes AS lanes SET pass = $2::float8
WHERE queue = $1 AND listed AND pass < $2::float8
  AND EXISTS (SELECT 1 FROM punctual.tenants WHERE id = lanes.tenant AND limited)`;

const spendStatement = `-- queues.spendRate
UPDATE punctual.queues AS queues SET rate_window = new.rate_window
FROM json_to_recordset($1::json) AS new (name text, rate_window text) WHERE queues.name = new.name`;

/** So many of a lane's ready jobs are claimed, and it stands at another pass. */
export interface LaneTake {
  readonly queue: string;
  readonly tenant: string;
  readonly taken: number;
  readonly pass: number;
}

export class ClaimWrites {
  readonly #step: Step;
  readonly #request: ClaimRequest;
  readonly #claims: { readonly seq: number; readonly started: boolean }[] = [];
  readonly #takes: LaneTake[] = [];
  readonly #moves: (readonly [queue: string, pass: number])[] = [];
  readonly #windows = new Map<string, OpenQueue>();
  readonly #events: NewEvent[] = [];

  constructor(step: Step, request: ClaimRequest) {
    this.#step = step;
    this.#request = request;
  }

  /** A ready job is claimed. */
  claim(seq: number, started: boolean): void {
    this.#claims.push({ seq, started });
  }

  take(take: LaneTake): void {
    this.#takes.push(take);
  }

  /** Lanes of limited tenants stand at a pass at least. */
  moveLimited(queue: string, pass: number): void {
    this.#moves.push([queue, pass]);
  }

  /** What a queue's rate has counted is to be stored, as it is at the end. */
  saveWindow(queue: OpenQueue): void {
    this.#windows.set(queue.name, queue);
  }

  append(events: readonly NewEvent[]): void {
    if (this.#step.keepsEvents) this.#events.push(...events);
  }

  /** Writes everything, what the tenants' limits have counted too. */
  async flush(limits: TenantLimits | undefined): Promise<void> {
    const { now, session } = this.#step;
    const { claimId, worker, leaseMs } = this.#request;
    const windows = [...this.#windows.values()].map(({ name, window }) => ({
      name,
      rate_window: JSON.stringify(window),
    }));
    await runAll(session, [
      ...listing(claimStatement, this.#claims, [claimId, worker, now, now + leaseMs]),
      ...listing(takeStatement, this.#takes),
      ...this.#moves.map(([queue, pass]): Statement => [moveLimitedStatement, [queue, pass]]),
      ...listing(spendStatement, windows),
      ...(limits?.statements() ?? []),
      ...eventStatements(this.#events),
    ]);
    this.#step.events += this.#events.length;
  }
}

/** A statement that takes one list first; none for an empty one. */
function listing(text: string, rows: readonly unknown[], values: readonly (string | number)[] = []): Statement[] {
  return rows.length === 0 ? [] : [[text, [JSON.stringify(rows), ...values]]];
}
