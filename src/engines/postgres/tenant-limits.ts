// What one claim needs to know of tenants' limits: read under the tenants' lock, kept while the claim goes on, spent as it
// claims, and written at its end or before a statement that looks at it.
import type { Millis } from "../../core/clock.ts";
import type { TenantId } from "../../core/tenant.ts";
import { limitsClaims, type TenantRoom, tenantRoom, windowAfterClaims } from "../../core/tenant-record.ts";
import { runAll, type Session, type Statement } from "./connections.ts";
import { enteringPass, notPassedOver } from "./lanes.ts";
import { type StoredTenant, type TenantRow, tenantColumns, toStoredTenant } from "./tenant-rows.ts";

const names = "SELECT value FROM json_array_elements_text($1::json)";

// A row that a caller's transaction holds is not waited for: its tenant is given nothing meanwhile.
const findStatement = `-- tenants.findLimited
SELECT ${tenantColumns} FROM punctual.tenants WHERE id IN (${names}) AND limited ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`;

const activeStatement = `-- tenants.active
SELECT tenant, sum(active)::float8 AS active FROM (
  SELECT tenant, active FROM punctual.lanes WHERE tenant IN (${names})
  UNION ALL
  SELECT tenant, active FROM punctual.lane_deltas WHERE tenant IN (${names})
) AS parts GROUP BY tenant`;

const anyLimitedStatement = `-- tenants.limitedAmong
SELECT id FROM punctual.tenants WHERE id IN (${names}) AND limited`;

const saveStatement = `-- tenants.spend
UPDATE punctual.tenants AS tenants
SET rate_window = new.rate_window, blocked_until = new.blocked_until, passed_over = new.passed_over
FROM json_to_recordset($1::json) AS new (id text, rate_window text, blocked_until bigint, passed_over boolean)
WHERE tenants.id = new.id`;

// A lane in another queue that is being claimed from just now keeps its place: nobody waits for two claims at once.
const reenterStatement = `-- lanes.reenterAll
WITH own AS MATERIALIZED (
  SELECT lane, queue, tenant FROM punctual.lanes WHERE tenant IN (${names}) AND listed
  ORDER BY queue, tenant FOR UPDATE SKIP LOCKED
), entering AS MATERIALIZED (
  SELECT queue, ${enteringPass("entered", notPassedOver)} AS pass FROM (SELECT DISTINCT queue FROM own) AS entered
)
UPDATE punctual.lanes AS lanes SET pass = greatest(lanes.pass, entering.pass)
FROM own JOIN entering USING (queue) WHERE lanes.queue = own.queue AND lanes.tenant = own.tenant`;

/** A tenant as it is to be stored. */
interface Saved {
  readonly stored: StoredTenant;
  readonly regainAt: Millis | undefined;
}

export class TenantLimits {
  readonly #session: Session;
  readonly #now: Millis;
  readonly #found = new Map<TenantId, StoredTenant | "held" | undefined>();
  readonly #active = new Map<TenantId, number>();
  readonly #saved = new Map<TenantId, Saved>();
  readonly #reentering = new Set<TenantId>();
  readonly #full = new Set<TenantId>();

  constructor(session: Session, now: Millis) {
    this.#session = session;
    this.#now = now;
  }

  /** Reads what is not read yet of tenants that may have limits. */
  async load(tenants: readonly TenantId[]): Promise<void> {
    const ids = [...new Set(tenants)].filter((id) => !this.#found.has(id));
    if (ids.length === 0) return;
    const list = [JSON.stringify(ids)];
    const [rows = [], active = [], limited = []] = await runAll(this.#session, [
      [findStatement, list],
      [activeStatement, list],
      [anyLimitedStatement, list],
    ]);
    for (const id of ids) this.#found.set(id, undefined);
    for (const row of limited) this.#found.set(row["id"], "held");
    for (const row of rows as TenantRow[]) this.#found.set(row.id, toStoredTenant(row));
    for (const row of active) this.#active.set(row["tenant"], row["active"]);
  }

  /** Whether a tenant is given nothing in this claim, though no statement passes it over. */
  isOut(id: TenantId): boolean {
    return this.#found.get(id) === "held" || this.#full.has(id);
  }

  /** What a tenant may be given now; undefined for one whose claims are not limited. */
  room(id: TenantId): TenantRoom | undefined {
    const stored = this.#limited(id);
    return stored && tenantRoom(stored.tenant, stored.window, this.#active.get(id) ?? 0, this.#now);
  }

  /** Counts claims of a tenant; one that may be given no more is passed over until it may. */
  spend(id: TenantId, claims: number, places = claims): void {
    const stored = this.#limited(id);
    if (stored === undefined || claims === 0) return;
    this.addActive(id, places);
    const { tenant } = stored;
    const spent = windowAfterClaims(tenant, stored.window, claims, this.#now);
    const { jobs, regainAt, window } = tenantRoom(tenant, spent, this.#active.get(id) ?? 0, this.#now);
    this.#save({ tenant, window, passedOver: stored.passedOver || jobs === 0 }, regainAt);
  }

  /** So many more jobs of a tenant are active. */
  addActive(id: TenantId, jobs: number): void {
    this.#active.set(id, (this.#active.get(id) ?? 0) + jobs);
  }

  /**
   * Brings a row that the claim's statements have let through in line with what the tenant may be given. Where that is
   * something, its lanes re-enter the fair share; where it is nothing, whatever the row said, it is passed over.
   * @returns whether anything is to be written: flush, and look again
   */
  admit(id: TenantId): boolean {
    const stored = this.#limited(id);
    const room = this.room(id);
    if (stored === undefined || room === undefined) return false;
    if (!(room.jobs > 0)) return this.#block(stored, room);
    if (!stored.passedOver) return false;
    this.#reentering.add(id);
    this.#save({ ...stored, passedOver: false }, undefined);
    return true;
  }

  /** Whether a lease of a tenant may be recovered; where its rate forbids it, whatever its row said, it is passed over. */
  allowsRecovery(id: TenantId): boolean {
    const stored = this.#limited(id);
    const room = this.room(id);
    if (stored === undefined || room === undefined) return this.#found.get(id) !== "held";
    if (room.recoveries > 0) return true;
    this.#block(stored, room);
    return false;
  }

  /** What is to be written. A tenant's lanes re-enter before its row says that it is no longer passed over. */
  statements(): Statement[] {
    const statements: Statement[] = [];
    if (this.#reentering.size > 0) statements.push([reenterStatement, [JSON.stringify([...this.#reentering])]]);
    const rows = [...this.#saved.values()].map(({ stored: { tenant, window, passedOver }, regainAt }) => ({
      id: tenant.id,
      rate_window: JSON.stringify(window),
      blocked_until: regainAt ?? null,
      passed_over: passedOver,
    }));
    if (rows.length > 0) statements.push([saveStatement, [JSON.stringify(rows)]]);
    this.#reentering.clear();
    this.#saved.clear();
    return statements;
  }

  /** Writes what has changed. */
  async flush(): Promise<void> {
    await runAll(this.#session, this.statements());
  }

  #limited(id: TenantId): StoredTenant | undefined {
    const stored = this.#found.get(id);
    return stored === undefined || stored === "held" || !limitsClaims(stored.tenant) ? undefined : stored;
  }

  #block(stored: StoredTenant, { window, regainAt }: TenantRoom): true {
    // Its rate gives: its last place was taken since the statement that has let it through.
    if (regainAt === undefined) this.#full.add(stored.tenant.id);
    this.#save({ ...stored, window, passedOver: true }, regainAt);
    return true;
  }

  #save(stored: StoredTenant, regainAt: Millis | undefined): void {
    this.#found.set(stored.tenant.id, stored);
    this.#saved.set(stored.tenant.id, { stored, regainAt });
  }
}
