// Checkpoints in quiet moments. Moving the write-ahead log into the file waits for the disk, some 5 ms; left to SQLite,
// the commit that fills the log pays for it, and whoever waits for that commit is late.
import type { Connection } from "./database.ts";

/** Commits after which a checkpoint is worth its wait: SQLite's own measure, 1,000 pages, takes about as many. */
const commitsMin = 250;

/** The moment is quiet when nothing was committed for so long, in ms. */
const quietMs = 20;

/** Where no moment is quiet SQLite sees to it itself, at so many pages of log (16 MB). */
const pagesMax = 4_000;

export class Checkpoints {
  readonly #connection: Connection;
  #commits = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.database.exec(`PRAGMA wal_autocheckpoint = ${pagesMax}`);
  }

  /** This process has committed. */
  committed(): void {
    this.#commits++;
    if (this.#commits < commitsMin) return;
    this.#timer ??= setTimeout(() => this.#checkpoint(), quietMs).unref();
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #checkpoint(): void {
    this.#timer = undefined;
    this.#commits = 0;
    try {
      // Waits for nobody: what others still read stays in the log.
      this.#connection.get("-- store.checkpoint\nPRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // Locked, or the disk is full: the log keeps what it holds, and the next one tries again.
    }
  }
}
