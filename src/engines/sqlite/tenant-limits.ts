// What one call needs to know of tenants' limits: read once, kept while the call goes on, spent as it claims.
// Where no tenant has a record all of it costs one look at an empty table.
import { instantMax, type Millis } from "../../core/clock.ts";
import { effectiveGuardrails, type Guardrails } from "../../core/guardrails.ts";
import { limitsClaims, type TenantRoom, tenantRoom, windowAfterClaims } from "../../core/tenant-record.ts";
import type { Connection } from "./database.ts";
import type { Lanes } from "./lanes.ts";
import { findTenant, type StoredTenant } from "./tenant-table.ts";

const anyLimitedStatement = "-- tenants.anyLimited\nSELECT 1 AS found FROM punctual_tenants WHERE limited = 1 LIMIT 1";

const anyBlockedStatement = `-- tenants.anyBlocked
SELECT 1 AS found FROM punctual_tenants WHERE blocked_until > ? LIMIT 1`;

const spendStatement = `-- tenants.spend
UPDATE punctual_tenants SET rate_window = ?, blocked_until = ?, passed_over = ? WHERE id = ?`;

const anyStatement = "-- tenants.any\nSELECT 1 AS found FROM punctual_tenants LIMIT 1";

export class TenantLimits {
  readonly #connection: Connection;
  readonly #lanes: Lanes;
  readonly #now: Millis;
  readonly #found = new Map<string, StoredTenant | undefined>();
  #any: boolean | undefined;
  #anyLimited: boolean | undefined;
  #anyBlocked: boolean | undefined;

  constructor(connection: Connection, lanes: Lanes, now: Millis) {
    this.#connection = connection;
    this.#lanes = lanes;
    this.#now = now;
  }

  find(id: string): StoredTenant | undefined {
    this.#any ??= this.#connection.get(anyStatement) !== undefined;
    if (!this.#any) return undefined;
    if (!this.#found.has(id)) this.#found.set(id, findTenant(this.#connection, id));
    return this.#found.get(id);
  }

  /** A record has been written. */
  forget(): void {
    this.#found.clear();
    this.#any = undefined;
    this.#anyLimited = undefined;
    this.#anyBlocked = undefined;
  }

  /** Whether claims of any tenant are limited. */
  get limitAny(): boolean {
    this.#anyLimited ??= this.#connection.get(anyLimitedStatement) !== undefined;
    return this.#anyLimited;
  }

  /** Whether any tenant's rate is used up. */
  get blockAny(): boolean {
    this.#anyBlocked ??= this.limitAny && this.#connection.get(anyBlockedStatement, this.#now) !== undefined;
    return this.#anyBlocked;
  }

  /** The limits that hold for a tenant. */
  guardrails(tenant: string, given: Guardrails | undefined): Guardrails {
    return effectiveGuardrails(this.find(tenant)?.tenant.guardrails, given);
  }

  /** What a tenant may be given now; undefined for one whose claims are not limited. */
  room(id: string): TenantRoom | undefined {
    const stored = this.find(id);
    if (stored === undefined || !limitsClaims(stored.tenant)) return undefined;
    return tenantRoom(stored.tenant, stored.window, this.#lanes.activeOf(id), this.#now);
  }

  /** Counts claims of a tenant; one that may be given no more is passed over until it may. */
  spend(id: string, claims: number): void {
    const stored = this.find(id);
    if (stored === undefined || claims === 0 || !limitsClaims(stored.tenant)) return;
    const { tenant } = stored;
    const spent = windowAfterClaims(tenant, stored.window, claims, this.#now);
    const { jobs, regainAt, window } = tenantRoom(tenant, spent, this.#lanes.activeOf(id), this.#now);
    this.#save({ tenant, window, passedOver: stored.passedOver || jobs === 0 }, regainAt);
  }

  /**
   * Brings a row that the claim's statements have let through in line with what the tenant may be given. Where that is
   * something, its lanes re-enter the fair share; where it is nothing, whatever the row said, it is passed over.
   * @returns whether anything was written: look again
   */
  admit(id: string): boolean {
    const stored = this.find(id);
    const room = this.room(id);
    if (stored === undefined || room === undefined) return false;
    if (!(room.jobs > 0)) return this.#block(stored, room);
    if (!stored.passedOver) return false;
    this.#lanes.reenter(id);
    this.#save({ ...stored, passedOver: false }, undefined);
    return true;
  }

  /** Whether a lease of a tenant may be recovered; where its rate forbids it, whatever its row said, it is passed over. */
  allowsRecovery(id: string): boolean {
    const stored = this.find(id);
    const room = this.room(id);
    if (stored === undefined || room === undefined || room.recoveries > 0) return true;
    this.#block(stored, room);
    return false;
  }

  #block(stored: StoredTenant, { window, regainAt = instantMax }: TenantRoom): true {
    this.#save({ ...stored, window, passedOver: true }, regainAt);
    return true;
  }

  #save(stored: StoredTenant, regainAt: Millis | undefined): void {
    const { tenant, window, passedOver } = stored;
    this.#connection.run(spendStatement, JSON.stringify(window), regainAt ?? null, Number(passedOver), tenant.id);
    this.#found.set(tenant.id, stored);
    this.#anyBlocked = undefined;
  }

  /** Tells those who wait for a place of a tenant of which some have become free. */
  wakeFreed(wake: (queue: string, dueAt: Millis) => void): void {
    for (const id of this.#lanes.freed) {
      if (this.find(id)?.passedOver !== true || this.room(id)?.jobs === 0) continue;
      for (const queue of this.#lanes.readyQueuesOf(id)) wake(queue, this.#now);
    }
  }
}
