// A thread that moves the write-ahead log into the file while the event loop goes on, for a load that leaves it no quiet
// moment. It starts when first needed, never keeps the process alive, and has let go of the file when stop() resolves.
import { Worker } from "node:worker_threads";

/**
 * What runs on the thread; as text it is the same in every module format, bundled or not. Its connection is node:sqlite's as
 * the engine's own is: both are one copy of SQLite, or they would drop each other's locks. A passive checkpoint waits for
 * nobody and keeps nobody waiting. That node:sqlite is experimental has been said by the engine's own connection.
 */
const program = `
process.emitWarning = () => {};
const { existsSync } = require("node:fs");
const { DatabaseSync } = require("node:sqlite");
const { parentPort, workerData: path } = require("node:worker_threads");
if (!existsSync(path)) throw new Error("the file is gone");
const database = new DatabaseSync(path);
database.exec("PRAGMA busy_timeout = 0");
parentPort.on("message", (wanted) => {
  if (wanted === "close") {
    database.close();
    parentPort.close();
    return;
  }
  try {
    database.exec("-- store.checkpoint\\nPRAGMA wal_checkpoint(PASSIVE)");
  } catch {}
  parentPort.postMessage("moved");
});`;

export class CheckpointThread {
  readonly #path: string;
  readonly #onMoved: () => void;
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isMoving = false;
  #gone = false;

  /** @param onMoved told when what the log held at a call of `move` is in the file, as far as no reader needs it */
  constructor(path: string, onMoved: () => void) {
    this.#path = path;
    this.#onMoved = onMoved;
  }

  /** It could not start, has ended by itself or was stopped: it does nothing any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Begins to move the log, unless it is being moved already. */
  move(): void {
    if (this.#isMoving || this.#gone) return;
    this.#worker ??= this.#start();
    if (this.#worker === undefined) return;
    this.#isMoving = true;
    this.#worker.postMessage("move");
  }

  /** Ends the thread once it has done what it is about. */
  async stop(): Promise<void> {
    this.#gone = true;
    // Whoever awaits this needs the process to go on until then.
    this.#worker?.ref();
    this.#worker?.postMessage("close");
    await this.#exited;
  }

  #start(): Worker | undefined {
    let worker: Worker;
    try {
      // Nobody's preloaded modules: neither those of the command line nor those of NODE_OPTIONS.
      worker = new Worker(program, { eval: true, workerData: this.#path, execArgv: [], env: {} });
    } catch {
      // Threads are not permitted here.
      this.#gone = true;
      return undefined;
    }
    worker.on("message", () => this.#moved());
    // It ends then, which is all there is to know: SQLite's own checkpoints go on without it.
    worker.on("error", () => {});
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#gone = true;
        resolve();
      });
    });
    // After the listeners: one for messages holds the process again.
    worker.unref();
    return worker;
  }

  #moved(): void {
    this.#isMoving = false;
    if (!this.#gone) this.#onMoved();
  }
}
