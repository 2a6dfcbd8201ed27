// The store: one connection, its transactions, and who is told of their commits.
import type { Unwatch } from "../../core/engine.ts";
import { InvalidInputError, OutcomeUnknownError, StoppedError } from "../../core/errors.ts";
import type { Signal } from "../../core/signal.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Connection, type Database, isBusy, rollBack, sqliteCode } from "./database.ts";
import { GroupCommit, StepFailed } from "./group-commit.ts";
import { JoinedSteps } from "./joined-steps.ts";
import { type OpenOptions, openStore } from "./opening.ts";
import { attempt, patiently } from "./patience.ts";
import type { Retention } from "./retention.ts";
import { type Steps, Tx } from "./tx.ts";
import { Watchers } from "./watchers.ts";

const begin = "-- tx.begin\nBEGIN IMMEDIATE";
const beginRead = "-- tx.beginRead\nBEGIN";
const commit = "-- tx.commit\nCOMMIT";

/** What there is between open and close. */
interface Present {
  readonly connection: Connection;
  readonly blocksMs: number;
  readonly watchers: Watchers;
  /** For a file that we opened ourselves: on a user's connection they are its owner's business. */
  readonly checkpoints: Checkpoints | undefined;
}

type Work = (tx: Tx) => unknown;

export class Store implements Steps {
  readonly #options: OpenOptions;
  readonly #retention: Retention;
  readonly #joinedConnections = new WeakMap<Database, Connection>();
  /** The user's connection that was joined last, to tell who may be holding the lock. */
  #lastJoined: WeakRef<Connection> | undefined;
  #opening: Promise<void> | undefined;
  #present: Present | undefined;
  readonly #writes = new GroupCommit<Work>((works) =>
    patiently(
      () => this.#writeTogether(works),
      () => this.#whyBusy(),
    ),
  );

  constructor(options: OpenOptions, retention: Retention) {
    this.#options = options;
    this.#retention = retention;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    try {
      const opened = await openStore(this.#options);
      const { connection } = opened;
      const { location } = this.#options;
      const isFile = typeof location === "string" && location !== ":memory:";
      const checkpoints = isFile ? new Checkpoints(connection, location) : undefined;
      this.#present = { ...opened, watchers: new Watchers(connection), checkpoints };
    } catch (error) {
      // It may be opened again once the cause is mended.
      this.#opening = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    // Opening it again begins anew.
    this.#opening = undefined;
    await opening?.catch(() => {});
    // What was called before is answered first.
    await this.#writes.idle();
    const present = this.#present;
    this.#present = undefined;
    present?.watchers.stop();
    await present?.checkpoints?.stop();
    if (typeof this.#options.location === "string") present?.connection.database.close();
  }

  get isOpen(): boolean {
    return this.#present !== undefined;
  }

  write<T>(work: (tx: Tx) => T): Promise<T> {
    return this.#writes.add(work) as Promise<T>;
  }

  async read<T>(work: (tx: Tx) => T): Promise<T> {
    return patiently(
      () => this.#read(work),
      () => this.#whyBusy(),
    );
  }

  #read<T>(work: (tx: Tx) => T): T {
    const present = this.#expectPresent();
    const { connection } = present;
    const tx = new Tx(connection, this.#options.clock.now(), this.#retention);
    beginOn(present, beginRead);
    let answer: T;
    try {
      // It has counted nothing, and trimming would make it a write.
      answer = work(tx);
    } catch (error) {
      rollBack(connection);
      throw error;
    }
    commitOn(connection);
    return answer;
  }

  /** Runs works one after another in one transaction. @throws StepFailed when one of several throws: try them alone. */
  #writeTogether(works: readonly Work[]): unknown[] {
    const present = this.#expectPresent();
    const { connection, watchers, checkpoints } = present;
    const done: Tx[] = [];
    beginOn(present, begin);
    let answers: unknown[];
    try {
      answers = works.map((work) => {
        const tx = new Tx(connection, this.#options.clock.now(), this.#retention);
        const answer = work(tx);
        tx.finish();
        done.push(tx);
        return answer;
      });
    } catch (error) {
      rollBack(connection);
      throw works.length === 1 ? error : new StepFailed("one of several writes failed", { cause: error });
    }
    commitOn(connection);
    checkpoints?.committed();
    for (const tx of done) watchers.tell(tx.signals());
    return answers;
  }

  /** The same steps on a user's connection, inside the transaction that it has open. */
  joined(database: Database): Steps {
    const known = this.#joinedConnections.get(database);
    const connection = known ?? new Connection(database);
    let isOurs = known !== undefined;
    return new JoinedSteps(connection, this.#options.clock, this.#retention, () => {
      const present = this.#expectPresent();
      isOurs ||= isSameFile(present.connection, connection);
      if (!isOurs) {
        throw new InvalidInputError("tx must be open on the scheduler's own database, not on another", { field: "tx" });
      }
      // Kept only once it is known to be ours.
      this.#joinedConnections.set(database, connection);
      this.#lastJoined = new WeakRef(connection);
      if (present.connection.database === database) present.watchers.joined();
    });
  }

  watch(onSignal: (signal: Signal) => void): Unwatch {
    const { watchers } = this.#expectPresent();
    watchers.add(onSignal);
    return async () => watchers.remove(onSignal);
  }

  #expectPresent(): Present {
    if (this.#present !== undefined) return this.#present;
    throw new StoppedError("the sqlite engine is not open", { mend: "Await open() first." });
  }

  #whyBusy(): string {
    return this.#lastJoined?.deref()?.inTransaction === true
      ? ": a transaction of this process that jobs were written in is still open; it must await nothing but the engine"
      : "";
  }
}

function isSameFile(ours: Connection, theirs: Connection): boolean {
  if (ours.database === theirs.database) return true;
  const sql = "-- store.file\nSELECT file FROM pragma_database_list WHERE name = 'main'";
  const [own, other] = [ours, theirs].map((connection) => attempt(() => connection.get<{ file: string }>(sql)?.file));
  return own !== undefined && other !== undefined && "answer" in own && "answer" in other
    ? own.answer === other.answer && (own.answer ?? "") !== ""
    : false;
}

/** Begins, without waiting even where the user's connection would. */
function beginOn({ connection, blocksMs }: Present, how: string): void {
  if (blocksMs === 0) {
    connection.run(how);
    return;
  }
  connection.database.exec("PRAGMA busy_timeout = 0");
  try {
    connection.run(how);
  } finally {
    connection.database.exec(`PRAGMA busy_timeout = ${blocksMs}`);
  }
}

function commitOn(connection: Connection): void {
  try {
    connection.run(commit);
  } catch (error) {
    rollBack(connection);
    // A full disk and a busy reader stop a commit before it takes place; of other failures nobody can say.
    if (isBusy(error) || sqliteCode(error) === "FULL") throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new OutcomeUnknownError(`the commit failed: ${message}`, { cause: error });
  }
}
