// Copying a store into another one (O6): both are read side by side in the same order, and what differs is written, until
// nothing differs. Killed at any moment and run again, it goes on with what is missing.
import type { Engine, StoredRecord } from "../core/engine.ts";
import { CopyRefusedError } from "../core/errors.ts";
import { everyQueue } from "../core/queue.ts";
import {
  comparePositions,
  copyMarkKey,
  Digester,
  positionOf,
  type StoreDigest,
  type TransferItem,
  type TransferKind,
  type TransferPosition,
  type TransferWrite,
  textOf,
} from "../core/transfer.ts";

/** Items read and written at a time. */
const pageItems = 200;

/** Passes until nothing differs: one that writes, one that finds nothing, and some for a source that moved meanwhile. */
const passesMax = 4;

/** What is being done, and how far it has come. */
export interface CopyProgress {
  readonly stage: "copying" | "verifying";
  readonly kind: TransferKind;
  /** Items of the source looked at in this stage, and how many there were at the beginning. */
  readonly done: number;
  readonly expected: number;
}

/** What a copy has come to: equal contents. */
export interface CopyResult extends StoreDigest {
  /** Items written, and items removed that the source no longer has. */
  readonly written: number;
  readonly removed: number;
  /** An earlier copy had been cut off, and this one went on. */
  readonly resumed: boolean;
}

/** Options of `copyStore`. */
export interface CopyOptions {
  /** Names the source, to tell an unfinished copy of it from a copy of something else. */
  readonly source: string;
  readonly onProgress?: (progress: CopyProgress) => void;
}

type Opened = Pick<Engine, "jobs" | "queues" | "records" | "transfer" | "now">;

/**
 * Copies everything that a store holds into an empty one, or goes on with a copy that was cut off, and verifies it. Both
 * are open; the source is paused, and nothing of it runs; nobody uses the target. Both are paused afterwards.
 * @throws CopyRefusedError when the source is not at rest or the target holds something else
 */
export async function copyStore(from: Opened, to: Opened, options: CopyOptions): Promise<CopyResult> {
  await refuseUnrest(from);
  const mark = await claimTarget(to, options.source);
  if (mark === undefined) return verifyFinished(from, to);
  const { resumed, value } = mark;
  const expected = Object.values(await from.transfer.counts()).reduce((sum, count) => sum + count, 0);
  let written = 0;
  let removed = 0;
  for (let pass = 1; pass <= passesMax; pass++) {
    const stage = pass === 1 ? "copying" : "verifying";
    const found = await passOver(from, to, value, (kind, done) =>
      options.onProgress?.({ stage, kind, done, expected }),
    );
    written += found.written;
    removed += found.removed;
    if (found.written + found.removed > 0) continue;
    if (found.source.digest !== found.target.digest) throw new Error("equal items have unequal digests");
    await refuseUnrest(from);
    await write(to, value, { items: [], remove: [{ kind: "record", name: [copyMarkKey] }] });
    return { ...found.source, written, removed, resumed };
  }
  throw new CopyRefusedError("the source changed again and again while it was copied", {
    mend: "Stop every process that uses it: a paused scheduler still takes new jobs and fires ticks. Then copy again.",
  });
}

/** @throws CopyRefusedError unless everything is paused and nothing runs. A lease that has ended is nobody's: it is copied. */
export async function refuseUnrest({ queues, jobs, records, now }: Omit<Opened, "transfer">): Promise<void> {
  const [marker] = await records.get([copyMarkKey]);
  if (marker !== undefined) {
    throw new CopyRefusedError(`the source is itself the unfinished copy of ${copySourceOf(marker)}`, {
      mend: "Finish that copy first.",
    });
  }
  const paused = (await queues.list()).some((queue) => queue.name === everyQueue && queue.paused);
  if (!paused) {
    throw new CopyRefusedError("the source is not paused", {
      mend: "Pause it and let what runs finish: punctual queues pause --all --engine SOURCE. Then stop its processes.",
    });
  }
  const at = await now();
  let running = 0;
  let cursor: string | undefined;
  do {
    const page = await jobs.list({ states: ["active"] }, { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    running += page.items.filter(({ leaseUntil = 0 }) => leaseUntil > at).length;
    cursor = page.next;
  } while (cursor !== undefined);
  if (running === 0) return;
  throw new CopyRefusedError(
    `${running} ${running === 1 ? "job of the source is" : "jobs of the source are"} running`,
    {
      mend: "Wait until they have ended: punctual jobs list --state active --engine SOURCE.",
      details: { running },
    },
  );
}

/** The target's mark: of this run, so that an older one that still goes on notices. */
interface Mark {
  readonly value: string;
  /** It was this source's unfinished copy already. */
  readonly resumed: boolean;
}

/**
 * Marks the target as this source's copy and this run's; undefined when it holds something and no mark: a copy that has
 * been finished, or a stranger. @throws CopyRefusedError
 */
async function claimTarget({ records, transfer }: Opened, source: string): Promise<Mark | undefined> {
  const [marker] = await records.get([copyMarkKey]);
  if (marker !== undefined) {
    const other = copySourceOf(marker);
    if (other !== source) {
      throw new CopyRefusedError(`the target is the unfinished copy of ${other}`, {
        mend: "Finish that copy, or name another target; delete the target if it is of no use.",
      });
    }
  } else {
    const { items } = await transfer.read({ limit: 10 });
    if (items.some(({ kind }) => kind !== "eventSequence")) return undefined;
  }
  const value = JSON.stringify({ source, run: crypto.randomUUID() });
  const [put] = await records.put([{ key: copyMarkKey, value, expected: marker?.revision ?? "absent" }]);
  if (put === "conflict") throw takenOver();
  return { value, resumed: marker !== undefined };
}

function takenOver(): CopyRefusedError {
  return new CopyRefusedError("another copy into the same target has begun, and goes on in this one's place", {
    mend: "Let that one end. If there is none any more, copy again.",
  });
}

/** Writes as long as the target is still this run's. @throws CopyRefusedError */
async function write({ transfer }: Opened, mark: string, parts: Omit<TransferWrite, "guard">): Promise<void> {
  const outcome = await transfer.write({ ...parts, guard: { key: copyMarkKey, value: mark } });
  if (outcome === "lost") throw takenOver();
}

/** A copy that was finished before is left as it is. @throws CopyRefusedError when the target holds anything else */
async function verifyFinished(from: Opened, to: Opened): Promise<CopyResult> {
  const source = new Reader(from);
  const target = new Reader(to);
  for (;;) {
    const [mine, theirs] = [await source.peek(), await target.peek()];
    if (mine === undefined && theirs === undefined) {
      return { ...source.digest, written: 0, removed: 0, resumed: false };
    }
    if (mine?.text !== theirs?.text) {
      throw new CopyRefusedError("the target is not empty, and it is no copy of the source", {
        mend: "Name a target that does not exist yet, or delete the one that you named.",
      });
    }
    source.take();
    target.take();
  }
}

/** What an unfinished copy is the copy of, as its mark says. */
export function copySourceOf({ value }: StoredRecord): string {
  const { source } = JSON.parse(value) as { readonly source?: unknown };
  return String(source);
}

interface PassResult {
  readonly written: number;
  readonly removed: number;
  readonly source: StoreDigest;
  readonly target: StoreDigest;
}

/** Looks through both stores once, and makes the target what the source is. */
async function passOver(
  from: Opened,
  to: Opened,
  mark: string,
  onItems: (kind: TransferKind, done: number) => void,
): Promise<PassResult> {
  const source = new Reader(from);
  const target = new Reader(to);
  let written = 0;
  let removed = 0;
  let done = 0;
  let put: TransferItem[] = [];
  let remove: TransferPosition[] = [];
  const flush = async () => {
    if (put.length + remove.length > 0) await write(to, mark, { items: put, remove });
    put = [];
    remove = [];
  };
  for (;;) {
    const mine = await source.peek();
    const theirs = await target.peek();
    if (mine === undefined && theirs === undefined) break;
    const order = mine === undefined ? 1 : theirs === undefined ? -1 : comparePositions(mine.position, theirs.position);
    if (order > 0 && theirs !== undefined) {
      remove.push(theirs.position);
      removed++;
    } else if (mine !== undefined && (order < 0 || mine.text !== theirs?.text)) {
      put.push(mine.item);
      written++;
    }
    if (order <= 0) {
      source.take();
      done++;
      if (done % pageItems === 0) onItems(mine?.position.kind ?? "schedule", done);
    }
    if (order >= 0) target.take();
    // A kind is whole before the next one begins, as lanes follow what their jobs have made of them.
    const next = (await source.peek())?.position.kind;
    if (put.length + remove.length >= pageItems || next !== mine?.position.kind) await flush();
  }
  await flush();
  onItems("schedule", done);
  return { written, removed, source: source.digest, target: target.digest };
}

interface Read {
  readonly item: TransferItem;
  readonly position: TransferPosition;
  readonly text: string;
}

/** A store item by item, without its marker. */
class Reader {
  readonly #store: Opened;
  readonly #digester = new Digester();
  #items: readonly TransferItem[] = [];
  #at = 0;
  #cursor: string | undefined;
  #ended = false;
  #read: Read | undefined;

  constructor(store: Opened) {
    this.#store = store;
  }

  /** The next item; the same one until it is taken. */
  async peek(): Promise<Read | undefined> {
    while (this.#read === undefined) {
      const item = this.#items[this.#at];
      if (item === undefined) {
        if (this.#ended) return undefined;
        await this.#fetch();
      } else if (item.kind === "record" && item.key === copyMarkKey) this.#at++;
      else this.#read = { item, position: positionOf(item), text: textOf(item) };
    }
    return this.#read;
  }

  take(): void {
    if (this.#read !== undefined) this.#digester.add(this.#read.position.kind, this.#read.text);
    this.#read = undefined;
    this.#at++;
  }

  get digest(): StoreDigest {
    return this.#digester.result;
  }

  async #fetch(): Promise<void> {
    const cursor = this.#cursor;
    const page = await this.#store.transfer.read({ limit: pageItems, ...(cursor === undefined ? {} : { cursor }) });
    this.#items = page.items;
    this.#at = 0;
    this.#cursor = page.next;
    this.#ended = page.next === undefined;
  }
}
