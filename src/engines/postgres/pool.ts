// A pool of `pg` connections, ours or the user's: each call with a time limit, each failure as an error of the catalogue.
import type { Pool as PgPool, PoolClient, QueryResult } from "pg";
import { defaults } from "../../core/defaults.ts";
import { NotWrittenError } from "../../core/errors.ts";
import { within } from "../../remote/within.ts";
import type { Connections, Session, TransactionOptions } from "./connections.ts";
import {
  atOpening,
  isLostStatement,
  isReadOnly,
  isTimeout,
  isWorthRepeating,
  misconfigured,
  sqlState,
  translate,
  wasNeverSent,
} from "./faults.ts";
import { OpenTransaction } from "./open-transaction.ts";
import { inSchema, type Row, type Value } from "./sql.ts";

/** What differs between deployments. */
export interface PoolSettings {
  readonly schema: string;
  /** The connections are ours alone and lead straight to a server: settings and named statements last. */
  readonly direct: boolean;
  /** The pool's clients send statements ahead of answers. */
  readonly pipelined: boolean;
}

const limits = [
  `statement_timeout = ${defaults.postgres.statementTimeoutMs}`,
  `lock_timeout = ${defaults.postgres.lockTimeoutMs}`,
  `idle_in_transaction_session_timeout = ${defaults.postgres.idleInTransactionMs}`,
];

// Every statement of ours finds its rows by an index, and its plan is kept: one that was made while a table was small must
// not read all of it once it is large.
const planning = ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"];

/** Whatever the server's default is: each statement sees what is committed as it begins, after the locks of those before. */
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED";

// Planning a claim takes a tenth of its time, and gives the same each time: it is done once on each connection.
const kept = "plan_cache_mode = force_generic_plan";

const ofSession = [...limits, "default_transaction_isolation = 'read committed'", kept];
/** What holds on connections of ours. */
export const sessionSettings = `-- session.settings\nSET ${[...ofSession, ...planning.map((name) => `${name} = off`)].join("; SET ")}`;
const localLimits = `-- tx.begin\n${begin}; SET LOCAL ${[...limits, ...planning.map((name) => `${name} = off`)].join("; SET LOCAL ")}`;

const backendStatement = `-- store.backend
SELECT pg_backend_pid()::int4 AS pid, current_setting('transaction_read_only') = 'on' AS read_only`;

/** A connection that was idle for longer, in ms, may have broken unnoticed by a busy process. */
const restMs = 100;

/** Statements by their text, so that each has a name of its own on every connection. */
const names = new Map<string, string>();

export class Pool implements Connections {
  readonly many = true;
  readonly joined = false;
  readonly #pool: PgPool;
  readonly #schema: string;
  readonly #pipelined: boolean;
  #direct: boolean;
  /** A connection was had: what goes wrong with later ones is an outage, be it a changed password, and may pass. */
  #hasConnected = false;
  /** The server took no writes when it was first asked; one that stops later is failing over. */
  #isReadOnly = false;
  readonly #texts = new Map<string, string>();
  readonly #ready = new WeakSet<PoolClient>();
  readonly #usage = new WeakMap<PoolClient, Usage>();

  constructor(pool: PgPool, { schema, direct, pipelined }: PoolSettings) {
    this.#pool = pool;
    this.#schema = schema;
    this.#direct = direct;
    this.#pipelined = pipelined;
  }

  get direct(): boolean {
    return this.#direct;
  }

  /** The connections are ours alone and lead straight to a server. */
  becomeDirect(): void {
    this.#direct = true;
  }

  /** A pooler was found in between. */
  becomeIndirect(): void {
    this.#direct = false;
  }

  async run(text: string, values: readonly Value[] = []): Promise<Row[]> {
    // The server's limits hold for a session only where it is ours.
    if (!this.#direct) return this.#runIndirectly(text, values);
    for (let isFirst = true; ; isFirst = false) {
      const client = await this.#take();
      try {
        const rows = await this.#query(client, text, values);
        this.#giveBack(client);
        return rows;
      } catch (error) {
        this.#giveBack(client, sqlState(error) === undefined);
        if (isFirst && wasNeverSent(error)) continue;
        if (isLostStatement(error)) {
          this.becomeIndirect();
          return await this.run(text, values);
        }
        throw this.#translate(error, operationOf(text), true);
      }
    }
  }

  async #runIndirectly(text: string, values: readonly Value[]): Promise<Row[]> {
    const operation = operationOf(text);
    try {
      return await this.#transact(operation, (session) => session.run(text, values), {});
    } catch (error) {
      throw this.#translate(error, operation, false);
    }
  }

  /** Rejects with the driver's error where the same again may succeed; see `isWorthRepeating`. */
  transaction<T>(work: (session: Session) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.#transact("a transaction failed", work, options);
  }

  async #transact<T>(what: string, work: (session: Session) => Promise<T>, options: TransactionOptions): Promise<T> {
    for (let isFirst = true; ; isFirst = false) {
      const open = new OpenTransaction();
      const client = await this.#take();
      try {
        const answer = await this.#workIn(client, open, work, options);
        this.#giveBack(client);
        return answer;
      } catch (error) {
        await this.#undo(client, open);
        // A connection that had died unnoticed while it was idle: nothing has been answered on it.
        if (isFirst && open.isLost && !open.hasBegun && !isTimeout(error)) continue;
        if (isLostStatement(error)) this.becomeIndirect();
        if (!open.isCommitting && isWorthRepeating(error)) throw error;
        throw this.#translate(error, what, open.isCommitting);
      }
    }
  }

  async #workIn<T>(
    client: PoolClient,
    open: OpenTransaction,
    work: (session: Session) => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const query = options.patient === true ? this.#queryPatiently : this.#query;
    const begun = open.heed(this.#begin(client)).then(() => {
      open.hasBegun = true;
    });
    // Its failure is seen below; what is sent meanwhile fails with it.
    begun.catch(() => {});
    if (!this.#pipelined) await begun;
    const answer = await work({
      run: (text, values = []) => open.heed(query.call(this, client, text, values)),
      pipelined: this.#pipelined,
    });
    await begun;
    open.isCommitting = true;
    await open.heed(answered(client, "-- tx.commit\nCOMMIT"));
    return answer;
  }

  /** The server process that a connection was told of at its start, where the driver says, and the one that answers on it. */
  async backend(): Promise<{ readonly told: number | undefined; readonly answering: number }> {
    const client = await this.#take();
    try {
      const { rows } = await answered(client, backendStatement);
      this.#giveBack(client);
      this.#isReadOnly = rows[0].read_only === true;
      const { processID } = client as { processID?: number | null };
      return { told: processID ?? undefined, answering: rows[0].pid };
    } catch (error) {
      this.#giveBack(client, true);
      throw translate(error, "the server could not be asked", false);
    }
  }

  async #take(): Promise<PoolClient> {
    let client: PoolClient;
    try {
      client = await this.#connect();
    } catch (error) {
      const mistake = this.#hasConnected ? undefined : misconfigured(error);
      if (mistake !== undefined) throw mistake;
      const message = error instanceof Error ? error.message : String(error);
      throw new NotWrittenError(`no connection to the server: ${message}`, { cause: error });
    }
    this.#hasConnected = true;
    if (await this.#hasDied(client)) {
      this.#giveBack(client, true);
      return await this.#take();
    }
    if (this.#direct && !this.#ready.has(client)) {
      this.#ready.add(client);
      // Sent ahead of the first statement; when it fails, so does that one.
      answered(client, sessionSettings).catch(() => {});
    }
    return client;
  }

  /** A pool of the user's may have no limit of its own, and all its connections in use. */
  async #connect(): Promise<PoolClient> {
    const connecting = this.#pool.connect();
    if (await within(connecting, defaults.postgres.answerTimeoutMs)) return await connecting;
    connecting.then((client) => client.release()).catch(() => {});
    throw new Error(`the pool has given none within ${defaults.postgres.answerTimeoutMs} ms`);
  }

  /** Whether it broke while it was idle: what the network has said meanwhile is heard first. */
  async #hasDied(client: PoolClient): Promise<boolean> {
    const usage = this.#usage.get(client);
    if (usage === undefined) {
      const fresh = { restsSince: Number.POSITIVE_INFINITY, isBroken: false };
      this.#usage.set(client, fresh);
      // One that breaks while it is taken tells of it by an event too, which nobody else hears; its statements fail.
      client.on("error", () => {
        fresh.isBroken = true;
      });
      return false;
    }
    const hasRested = performance.now() - usage.restsSince > restMs;
    usage.restsSince = Number.POSITIVE_INFINITY;
    // A round of the event loop, from wherever in it this is.
    for (let rounds = 0; hasRested && rounds < 2; rounds++) await new Promise((resolve) => setImmediate(resolve));
    return usage.isBroken;
  }

  #translate(error: unknown, what: string, sent: boolean): unknown {
    const translated = translate(error, what, sent);
    return this.#isReadOnly && isReadOnly(error) ? atOpening(translated) : translated;
  }

  #giveBack(client: PoolClient, isBroken = false): void {
    const usage = this.#usage.get(client);
    if (usage !== undefined) usage.restsSince = performance.now();
    client.release(isBroken);
  }

  #begin(client: PoolClient): Promise<unknown> {
    return answered(
      client,
      this.#direct
        ? `-- tx.begin
${begin}`
        : localLimits,
    );
  }

  async #query(client: PoolClient, text: string, values: readonly Value[]): Promise<Row[]> {
    const sent = this.#textOf(text);
    const query = { text: sent, values: [...values], query_timeout: defaults.postgres.answerTimeoutMs };
    const result = await client.query(this.#direct ? { ...query, name: nameOf(sent) } : query);
    return result.rows;
  }

  async #queryPatiently(client: PoolClient, text: string, values: readonly Value[]): Promise<Row[]> {
    return (await client.query(this.#textOf(text), [...values])).rows;
  }

  async #undo(client: PoolClient, open: OpenTransaction): Promise<void> {
    // Without an answer of the server, nobody knows what state the connection is in.
    if (open.isCommitting || open.isLost) return this.#giveBack(client, true);
    try {
      await answered(client, "-- tx.rollback\nROLLBACK");
      this.#giveBack(client);
    } catch {
      this.#giveBack(client, true);
    }
  }

  #textOf(text: string): string {
    let sent = this.#texts.get(text);
    if (sent === undefined) {
      sent = inSchema(text, this.#schema);
      this.#texts.set(text, sent);
    }
    return sent;
  }
}

/** What is known of a connection. */
interface Usage {
  /** When it was given back. */
  restsSince: number;
  isBroken: boolean;
}

/** A statement without parameters, with a limit on the wait for its answer. */
function answered(client: PoolClient, text: string): Promise<QueryResult> {
  const limited = { text, query_timeout: defaults.postgres.answerTimeoutMs };
  return client.query(limited);
}

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `punctual_${names.size + 1}`;
    names.set(text, name);
  }
  return name;
}

/** The name that a statement begins with. */
export function operationOf(text: string): string {
  return /^-- (\S+)/.exec(text)?.[1] ?? "a statement";
}
