// Row-level security (N3): whether the connections' role sees one tenant's rows only, and connections that say whose.
// The tenant is set in the transaction that needs it and ends with it, so that behind a pooler nobody inherits it.
import type { TenantId } from "../../core/tenant.ts";
import type { Connections, Session, TransactionOptions } from "./connections.ts";
import type { Row, Value } from "./sql.ts";
import type { Trimming } from "./steps.ts";

// A policy that names a role of ours gives all rows; one for everybody gives a tenant's.
const lookStatement = `-- rowSecurity.look
SELECT current_user::text AS role, row_security_active('punctual.jobs'::regclass) AND NOT EXISTS (
  SELECT 1 FROM pg_policy, unnest(polroles) AS named (role) WHERE polrelid = 'punctual.jobs'::regclass
    AND CASE WHEN named.role = 0 THEN false ELSE pg_has_role(named.role, 'USAGE') END
) AS bound`;

/**
 * The role of a connection, when it sees only the rows of the tenant that is set; undefined for one that sees all.
 * @param always answers the role in any case
 */
export async function boundRole(session: Session, always: boolean): Promise<string | undefined> {
  const [row] = await session.run(lookStatement);
  return always || row?.["bound"] === true ? row?.["role"] : undefined;
}

/** What is kept is trimmed by those who see all of it. */
export function tenantTrimming(trimming: Trimming): Trimming {
  return {
    wrote: async () => {},
    purge: (steps, request) => trimming.purge(steps, request),
    purgeEvents: (steps, request) => trimming.purgeEvents(steps, request),
  };
}

const setStatement = "-- rowSecurity.set\nSELECT set_config('punctual.tenant', $1, true) AS tenant";

// Evaluated in this order: whose rows a caller's transaction sees, then ours.
const swapStatement = `-- rowSecurity.swap
SELECT coalesce(current_setting('punctual.tenant', true), '') AS before, set_config('punctual.tenant', $1, true) AS tenant`;

/** Connections whose every transaction is about one tenant. */
export class OfTenant implements Connections {
  readonly many: boolean;
  readonly joined: boolean;
  readonly #connections: Connections;
  readonly #tenant: TenantId;

  constructor(connections: Connections, tenant: TenantId) {
    this.#connections = connections;
    this.#tenant = tenant;
    this.many = connections.many;
    this.joined = connections.joined;
  }

  run(text: string, values: readonly Value[] = []): Promise<Row[]> {
    return this.transaction((session) => session.run(text, values));
  }

  transaction<T>(work: (session: Session) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#connections.transaction(
      (session) => (this.joined ? this.#within(session, work) : this.#alone(session, work)),
      options,
    );
  }

  async #alone<T>(session: Session, work: (session: Session) => Promise<T>): Promise<T> {
    const set = session.run(setStatement, [this.#tenant]);
    if (session.pipelined !== true) await set;
    // Its failure is seen below; what is sent meanwhile fails with it.
    set.catch(() => {});
    const answer = await work(session);
    await set;
    return answer;
  }

  /** A caller's transaction goes on with the tenant it had. */
  async #within<T>(session: Session, work: (session: Session) => Promise<T>): Promise<T> {
    const [row] = await session.run(swapStatement, [this.#tenant]);
    const answer = await work(session);
    await session.run(setStatement, [row?.["before"] ?? ""]);
    return answer;
  }
}
