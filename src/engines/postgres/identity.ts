// Whether a caller's transaction is open on the database that the store is in: jobs written to another would be lost.
import type { Session } from "./connections.ts";
import { quoted } from "./sql.ts";

// The start of the server tells two servers apart whose databases are copies; the mark tells apart two PGlites, each of
// which has one session.
const identityStatement = `-- tx.identity
SELECT concat_ws(' ', current_database(), to_regclass($1::text)::oid, extract(epoch FROM pg_postmaster_start_time())::text,
  nullif(current_setting('punctual.session', true), '')) AS identity`;

const markStatement = `-- session.mark
SELECT set_config('punctual.session', $1::text, false) AS mark
WHERE coalesce(current_setting('punctual.session', true), '') = ''`;

/** Which database of which server a session is on, and the store in it. */
async function identify(session: Session, schema: string): Promise<string> {
  const [row] = await session.run(identityStatement, [`${quoted(schema)}.jobs`]);
  return row?.["identity"];
}

/** The store's own connections. */
export interface IdentityOptions {
  readonly session: Session;
  /** Asked while a caller has a transaction open. */
  readonly beside: Session;
  /** Whether it can be asked then. */
  readonly many: boolean;
}

/** What the store's own connections say of themselves; asked again when the answer may be old. */
export class Identity {
  readonly #session: Session;
  readonly #beside: Session;
  readonly #schema: string;
  readonly #many: boolean;
  #known: string | undefined;

  constructor({ session, beside, many }: IdentityOptions, schema: string) {
    this.#session = session;
    this.#beside = beside;
    this.#schema = schema;
    this.#many = many;
  }

  /** Asks a first time. With a single session, which cannot be asked while a caller has it, it is marked as this store's. */
  async learn(mark: string): Promise<void> {
    if (!this.#many) await this.#session.run(markStatement, [mark]);
    this.#known = await identify(this.#session, this.#schema);
  }

  /** Whether a session is on the same database of the same server. */
  async isOf(session: Session): Promise<boolean> {
    const theirs = await identify(session, this.#schema);
    if (theirs === this.#known) return true;
    if (!this.#many) return false;
    // The server was started anew since, or another has taken its place.
    this.#known = await identify(this.#beside, this.#schema);
    return theirs === this.#known;
  }
}
