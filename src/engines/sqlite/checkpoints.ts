// Checkpoints in quiet moments. Moving the write-ahead log into the file waits for the disk, some 5 to 10 ms; left to
// SQLite, the commit that fills the log pays for it, and whoever waits for that commit is late. Where no moment is quiet a
// thread moves the log, and the event loop only the little that was committed meanwhile.
import { CheckpointThread } from "./checkpoint-thread.ts";
import type { Connection } from "./database.ts";

/** Commits after which a checkpoint is worth its wait: SQLite's own measure, 1,000 pages, takes about as many. */
const commitsMin = 250;

/** The moment is quiet when nothing was committed for so long, in ms. */
const quietMs = 20;

/** So long is a quiet moment waited for, in ms, before the thread is called. */
const patienceMs = 50;

/**
 * Where neither came in time SQLite sees to it itself, at so many pages of log (32 MB). A busy worker writes half of it before
 * the thread is called.
 */
const pagesMax = 8_000;

export class Checkpoints {
  readonly #connection: Connection;
  readonly #thread: CheckpointThread;
  #commits = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the wait for a quiet moment began. */
  #waitsSince = 0;

  /** @param path the file of the connection, which is node:sqlite's */
  constructor(connection: Connection, path: string) {
    this.#connection = connection;
    // A log is taken up again from its beginning only when all of it has been moved while nobody writes: so this thread,
    // which writes, moves the rest.
    this.#thread = new CheckpointThread(path, () => this.#checkpoint());
    connection.database.exec(`PRAGMA wal_autocheckpoint = ${pagesMax}`);
  }

  /** This process has committed. */
  committed(): void {
    this.#commits++;
    if (this.#commits < commitsMin) return;
    if (this.#timer === undefined) {
      this.#waitsSince = performance.now();
      this.#timer = setTimeout(() => this.#quiet(), quietMs).unref();
    } else if (this.#thread.gone || performance.now() - this.#waitsSince < patienceMs) this.#timer.refresh();
    else {
      this.#beginAnew();
      this.#thread.move();
    }
  }

  /** Resolves when nothing but the connection itself has the file open. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#thread.stop();
  }

  #quiet(): void {
    this.#beginAnew();
    this.#checkpoint();
  }

  #beginAnew(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#commits = 0;
  }

  #checkpoint(): void {
    try {
      // Waits for nobody: what others still read stays in the log.
      this.#connection.get("-- store.checkpoint\nPRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // Locked, or the disk is full: the log keeps what it holds, and the next one tries again.
    }
  }
}
