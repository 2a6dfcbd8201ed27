// The journal as one process sees it: its world, followed message by message, and the calls that change it. A call runs on
// the world at once; what it has changed is written as the journal's next message, or taken back when another process has
// written first: then what that one wrote is applied, and the call runs anew. So every message is a step of its own, made
// from all that came before it, and a world is what its journal says.
import { randomBytes } from "node:crypto";
import type { MsgRequest } from "@nats-io/jetstream";
import type { Millis } from "../../core/clock.ts";
import { NotWrittenError, OutcomeUnknownError, StoppedError } from "../../core/errors.ts";
import type { History } from "../../core/history.ts";
import type { Signal } from "../../core/signal.ts";
import { applyChangeSet, type ChangeSet, changeSetOf, eachRow, type RowName, rowsOf } from "../../world/change-set.ts";
import type { Changes } from "../../world/changes.ts";
import { World } from "../../world/world.ts";
import { Bases } from "./bases.ts";
import type { Way } from "./connecting.ts";
import { beginning, decode, encode, type PartName, type Place, readHeaders } from "./encoding.ts";
import { asStoreError } from "./faults.ts";
import { type Format, ownFormat } from "./format.ts";
import { publish } from "./publishing.ts";
import type { StoreClock } from "./store-clock.ts";
import { Tail, type TailMessage } from "./tail.ts";
import { Turns } from "./turns.ts";

export interface JournalOptions {
  readonly way: Way;
  /** A message may have so many bytes, with its headers. */
  readonly messageBytesMax: number;
  readonly stream: string;
  readonly subject: string;
  readonly history: History;
  readonly clock: StoreClock;
  readonly onSignals: (signals: readonly Signal[]) => void;
  /** How long a call may take, in ms, before it is given up. */
  readonly callMs: Millis;
  /** Journals below so many bytes are not cleaned. */
  readonly cleanFromBytes: number;
}

/** A call that waits to be done. */
interface Call {
  readonly work: (world: World, now: Millis) => unknown;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: number;
}

/** What came of a call on the world as it was. */
interface Done {
  readonly call: Call;
  readonly answer?: unknown;
  readonly error?: { readonly thrown: unknown };
}

/** A change set on its way. */
interface Flight {
  readonly id: string;
  readonly set: ChangeSet;
  readonly changes: Changes | undefined;
  readonly parts: readonly Uint8Array[];
  readonly done: readonly Done[];
  readonly settle: (outcome: "written" | "overtaken" | Error) => void;
  isSettled: boolean;
}

/** A message has room for so many bytes beside its headers. */
const headerBytes = 512;
/** Calls are gathered for one change set up to so many rows. */
const rowsMax = 2_000;
/** A try waits so long for its answer, in ms, and longer for much that is written; and so long before the next. */
const tryMs = { answer: 1_000, pause: 50, bytesPerMs: 10_000 } as const;
/** What is known to be in the journal and does not come is asked for anew after this, in ms. */
const impatientMs = 500;
/** Rows written anew at a time, and how much larger than its rows a journal may grow. */
const cleaning = { rows: 500, factor: 3 } as const;

export class Journal {
  readonly #options: JournalOptions;
  readonly #tail: Tail;
  readonly #writer = randomId();
  readonly #order: Turns;
  readonly #bases = new Bases();
  #world: World;
  #number = 0;
  /** The last message that the world holds. */
  #applied: Place = beginning;
  #appliedFirst = 0;
  #format: Format | undefined;
  #partial: { readonly name: PartName; readonly first: number; readonly parts: Uint8Array[] } | undefined;
  /** While the world is made from the journal: what is to be reached. */
  #loading:
    | { readonly target: number; readonly resolve: () => void; readonly reject: (error: unknown) => void }
    | undefined;
  #loaded: Promise<void> = Promise.resolve();
  #queue: Call[] = [];
  #flight: Flight | undefined;
  #isTurning = false;
  #isEnded = false;
  /** Why nothing can be done any more. */
  #broken: unknown;
  #isCleaning = false;
  /** Old rows are to be written anew; called when they have been. */
  #rewriting: (() => void) | undefined;
  readonly #progress: (() => void)[] = [];
  /** Called when the connection is lost: no answer will come on it. */
  readonly #interrupts = new Set<() => void>();
  /** Since the connection was made anew, the journal has been seen to be the one that was followed. */
  #isVerified = true;
  #deadlines: NodeJS.Timeout | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#world = this.#newWorld();
    this.#order = new Turns(options.way, options.subject, this.#writer);
    this.#tail = new Tail({ ...options, onMessage: (message) => this.#receive(message) });
  }

  /** Reads the whole journal, and follows it from then on. */
  async start(): Promise<void> {
    this.#deadlines = setInterval(() => this.#giveUpLate(), 250);
    this.#deadlines.unref();
    this.#order.start();
    await this.#load();
  }

  /** Writes the first message of an empty journal; answers when that was, undefined where there is one already. */
  async begin(): Promise<Millis | undefined> {
    await this.#loaded;
    if (this.#format !== undefined) return undefined;
    const at = this.#options.clock.now();
    const outcome = await this.#write(rowsOf(this.#world, [], at), undefined, []);
    if (outcome instanceof Error) throw outcome;
    return outcome === "written" ? at : undefined;
  }

  /** Waits for what is on its way, and ends. */
  async end(): Promise<void> {
    this.#isEnded = true;
    const until = performance.now() + this.#options.callMs;
    while (this.#isTurning && performance.now() < until) await Promise.race([this.#moved(), pause(tryMs.pause)]);
    this.#flight?.settle(new OutcomeUnknownError("the nats engine was closed while a write was on its way"));
    this.#tail.stop();
    this.#order.stop();
    clearInterval(this.#deadlines);
  }

  /** The format of the journal; undefined while nothing was written. */
  get format(): Format | undefined {
    return this.#format;
  }

  /** Bytes of the journal, about how many of them it needs, and the rows that this process holds. */
  get size(): { readonly bytes: number; readonly live: number } {
    return this.#bases.size;
  }

  /** Does work as a step of the journal. @throws NotWrittenError, OutcomeUnknownError, StoppedError, and what the work throws */
  run<Answer>(work: (world: World, now: Millis) => Answer): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#isEnded) throw new StoppedError("the nats engine is being closed");
      const deadline = performance.now() + this.#options.callMs;
      this.#queue.push({ work, resolve: resolve as Call["resolve"], reject, deadline });
      this.#beginTurns();
    });
  }

  #beginTurns(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    // Calls of one moment go together.
    process.nextTick(() => void this.#turns());
  }

  // Calls

  async #turns(): Promise<void> {
    try {
      while (this.#queue.length > 0 || this.#rewriting !== undefined) {
        try {
          await this.#loaded;
          if (this.#rewriting === undefined) await this.#turn();
          else await this.#rewrite(this.#rewriting);
        } catch (error) {
          this.#broken = error;
        }
        if (this.#broken !== undefined) {
          for (const { reject } of this.#queue.splice(0)) reject(this.#broken);
          this.#rewriting?.();
          this.#rewriting = undefined;
        }
      }
    } finally {
      this.#isTurning = false;
      this.#tellProgress();
    }
  }

  async #turn(): Promise<void> {
    await this.#order.enter();
    const began = performance.now();
    const world = this.#world;
    const now = this.#options.clock.now();
    const { done, changes, signals } = this.#attempt(world, now);
    const set = changes === undefined ? undefined : changeSetOf(world, changes, signals, now);
    const outcome = set === undefined ? await this.#confirm() : await this.#write(set, changes, done);
    if (set !== undefined) this.#order.wrote(performance.now() - began, outcome === "written");
    if (outcome === "written") {
      for (const one of done) answer(one);
      if (set?.signals !== undefined) this.#options.onSignals(set.signals);
      this.#cleanSometimes();
    } else if (outcome === "overtaken") {
      // They run anew before those that came later.
      this.#queue.unshift(...done.map(({ call }) => call));
    } else {
      for (const { call } of done) call.reject(outcome);
    }
  }

  /** Runs calls on the world. */
  #attempt(world: World, now: Millis) {
    const done: Done[] = [];
    const signals: Signal[] = [];
    let changes: Changes | undefined;
    for (;;) {
      const call = this.#queue.shift();
      if (call === undefined) break;
      try {
        const made = world.attempt(() => call.work(world, now));
        if (changes === undefined) changes = made.changes;
        else changes.add(made.changes);
        signals.push(...made.signals);
        done.push({ call, answer: made.answer });
      } catch (thrown) {
        done.push({ call, error: { thrown } });
      }
      if (changes !== undefined && changes.jobs.size + changes.schedules.size > rowsMax) break;
    }
    return { done, changes, signals };
  }

  /** Whether the journal ends where this world does: what a call that changed nothing has seen is all there is. */
  async #confirm(): Promise<"written" | "overtaken" | Error> {
    const { seq } = this.#applied;
    const until = performance.now() + this.#options.callMs;
    for (;;) {
      try {
        await this.#verify();
        if (this.#applied.seq !== seq) return "overtaken";
        if (!(await this.#isBeyond(seq))) return "written";
        await this.#beyond(seq);
        return "overtaken";
      } catch (error) {
        if (this.#applied.seq !== seq) return "overtaken";
        if (performance.now() > until) return this.#unreachable(error);
        await pause(tryMs.pause);
      }
    }
  }

  #unreachable(cause: unknown): Error {
    return asStoreError(cause ?? new Error("the server does not answer"), { what: "store", writes: false });
  }

  /** Writes a change set as the journal's next. */
  #write(
    set: ChangeSet,
    changes: Changes | undefined,
    done: readonly Done[],
  ): Promise<"written" | "overtaken" | Error> {
    return new Promise((resolve) => {
      const flight: Flight = {
        id: `${this.#writer}.${++this.#number}`,
        set,
        changes,
        done,
        parts: encode(set, this.#partBytesMax),
        isSettled: false,
        settle: (outcome) => {
          if (flight.isSettled) return;
          flight.isSettled = true;
          this.#flight = undefined;
          resolve(outcome);
          this.#tellProgress();
        },
      };
      this.#flight = flight;
      void this.#send(flight);
    });
  }

  /** Tries until it is known what became of it: the journal lets it in once at most, and says whether it has. */
  async #send(flight: Flight): Promise<void> {
    const { way, subject } = this.#options;
    const after = this.#applied;
    const format = this.#format ?? ownFormat(flight.set.at);
    // A try without an answer may still arrive.
    let mayArrive = false;
    const answerMs = tryMs.answer + bytesOf(flight.parts) / tryMs.bytesPerMs;
    while (!flight.isSettled) {
      try {
        await this.#verify();
        if (flight.isSettled) return;
        const name = { id: flight.id, after, format };
        const publication = { subject, name, parts: flight.parts, batchId: randomId() };
        const said = await this.#answered(publish(way, publication, answerMs), answerMs);
        if (flight.isSettled) return;
        if (said.outcome === "written") {
          this.#written(flight, said.seq);
          return;
        }
        if (said.outcome === "overtaken") {
          await this.#beyond(after.seq);
          continue;
        }
        if (!mayArrive) {
          this.#abandon(flight, new NotWrittenError(`the NATS server refuses a write: ${said.text}`));
          return;
        }
      } catch {
        // Whether it was written will be seen: in the journal, or by writing it again.
        mayArrive = true;
      }
      if (!flight.isSettled) await pause(tryMs.pause);
    }
  }

  /** Whether the journal holds anything beyond a message. */
  async #isBeyond(seq: number): Promise<boolean> {
    const { way, stream, subject } = this.#options;
    const query = { seq: seq + 1, next_by_subj: subject } as MsgRequest;
    return (await this.#answered(way.jsm.streams.getMessage(stream, query))) !== null;
  }

  /** An answer of the server's; rejects when the connection is lost, or the answer takes long. */
  async #answered<Answer>(asked: Promise<Answer>, ms: number = tryMs.answer): Promise<Answer> {
    const { way } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    let giveUp = () => {};
    const unanswered = new Promise<never>((_, reject) => {
      giveUp = () => reject(new Error("the server has not answered"));
      timer = setTimeout(giveUp, ms);
      this.#interrupts.add(giveUp);
    });
    try {
      const answer = await Promise.race([asked, unanswered]);
      way.answered();
      return answer;
    } catch (error) {
      way.unanswered();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#interrupts.delete(giveUp);
    }
  }

  #written(flight: Flight, seq: number): void {
    const first = seq - flight.parts.length + 1;
    this.#applied = { seq, id: flight.id };
    this.#appliedFirst = first;
    this.#format ??= ownFormat(flight.set.at);
    this.#options.clock.saw(flight.set.at);
    this.#tail.passOver(seq);
    this.#partial = undefined;
    this.#account(flight.set, first, bytesOf(flight.parts));
    flight.settle("written");
  }

  /** Takes back what a flight has changed. */
  #abandon(flight: Flight, outcome: "overtaken" | Error): void {
    if (flight.isSettled) return;
    if (flight.changes !== undefined) this.#world.takeBack(flight.changes);
    flight.settle(outcome);
  }

  /** Calls that wait too long are given up; what is on its way stays on its way. */
  #giveUpLate(): void {
    const now = performance.now();
    const isLate = ({ deadline }: Call) => deadline < now;
    if (this.#queue.some(isLate)) {
      const late = this.#queue.filter(isLate);
      this.#queue = this.#queue.filter((call) => !isLate(call));
      for (const { reject } of late) reject(this.#unreachable(undefined));
    }
    for (const { call } of this.#flight?.done ?? []) {
      if (isLate(call)) call.reject(new OutcomeUnknownError("the NATS server has not said what became of a write"));
    }
  }

  // Following

  #newWorld(): World {
    return new World(this.#options.clock, this.#options.history);
  }

  /** Makes the world anew from the whole journal. */
  #load(): Promise<void> {
    this.#loaded = this.#reload();
    this.#loaded.catch(() => {});
    return this.#loaded;
  }

  async #reload(): Promise<void> {
    const { way, stream, subject, callMs } = this.#options;
    const isFirst = this.#applied === beginning;
    const until = performance.now() + callMs;
    for (;;) {
      try {
        this.#tail.stop();
        const last = await way.jsm.streams.getMessage(stream, { last_by_subj: subject });
        this.#world = this.#newWorld();
        this.#bases.clear();
        this.#applied = beginning;
        this.#partial = undefined;
        if (last === null) this.#tail.start(0);
        else await this.#follow(last.seq);
        this.#world.arrangeFinished();
        return;
      } catch (error) {
        this.#loading = undefined;
        if (this.#isEnded || isFinal(error) || (isFirst && performance.now() > until)) throw error;
        await pause(tryMs.pause);
      }
    }
  }

  /** Follows the journal from its beginning; resolves when a message has been applied, rejects when nothing comes. */
  async #follow(target: number): Promise<void> {
    let seen = 0;
    let watch: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#loading = { target, resolve, reject };
        this.#tail.start(0);
        watch = setInterval(() => {
          if (this.#applied.seq === seen) reject(new NotWrittenError("the journal cannot be read: no message comes"));
          seen = this.#applied.seq;
        }, this.#options.callMs);
      });
    } finally {
      clearInterval(watch);
    }
  }

  #receive(message: TailMessage): void {
    if (this.#broken !== undefined || message.seq <= this.#applied.seq) return;
    try {
      this.#take(message);
    } catch (error) {
      this.#broken = error;
      this.#tail.stop();
      this.#loading?.reject(error);
      this.#loading = undefined;
      this.#flight?.settle(error as Error);
      this.#tellProgress();
    }
  }

  #take(message: TailMessage): void {
    const name = readHeaders(message.header);
    if (name.part === 1) this.#partial = { name, first: message.seq, parts: [] };
    const partial = this.#partial;
    // The rest of a set whose beginning was purged, while the world is being made.
    if (partial === undefined || partial.name.id !== name.id) return;
    partial.parts.push(message.data);
    if (name.part < name.parts) return;
    this.#partial = undefined;
    this.#takeSet(partial.name, partial.parts, partial.first, message.seq);
    if (this.#loading !== undefined && this.#applied.seq >= this.#loading.target) {
      this.#loading.resolve();
      this.#loading = undefined;
    }
  }

  #takeSet(name: PartName, parts: readonly Uint8Array[], first: number, seq: number): void {
    const flight = this.#flight;
    if (!isSame(name.after, this.#applied) && this.#applied !== beginning) {
      // It is not the next. The journal was cleaned while this process was away, or its end was lost.
      if (this.#loading === undefined) this.#lost();
      // Made for an end that was lost: it changes nothing, whoever reads it.
      else this.#applied = { seq, id: name.id };
      return;
    }
    if (flight !== undefined && this.#loading === undefined) {
      if (name.id === flight.id) {
        this.#written(flight, seq);
        return;
      }
      this.#abandon(flight, "overtaken");
    }
    const set = decode(parts);
    applyChangeSet(this.#world, set);
    this.#applied = { seq, id: name.id };
    this.#appliedFirst = first;
    this.#order.heard(writerOf(name.id));
    this.#format = name.format;
    this.#options.clock.saw(set.at);
    this.#account(set, first, bytesOf(parts));
    if (this.#loading === undefined && set.signals !== undefined) this.#options.onSignals(set.signals);
    this.#tellProgress();
  }

  /** This world is not what the journal says. */
  #lost(): void {
    const flight = this.#flight;
    // It names the end that it was made for: should that have been written, the journal would go on from there.
    flight?.settle(new OutcomeUnknownError("the journal was replaced while a write was on its way"));
    void this.#load().then(() => this.#options.onSignals([{ kind: "changed" }]));
  }

  /** The connection is lost: whoever waits for an answer need not wait longer. */
  connectionLost(): void {
    this.#isVerified = false;
    for (const interrupt of [...this.#interrupts]) interrupt();
  }

  /** The connection is there again, perhaps to another server, or to one that has lost what it had not written to its disk. */
  connectionBack(): void {
    this.#tail.restart();
    this.#verify().catch(() => {});
  }

  /** Whether the journal is still the one that was followed. @throws when the server does not say */
  async #verify(): Promise<void> {
    if (this.#isVerified || this.#loading !== undefined) return;
    const { way, stream } = this.#options;
    const { seq, id } = this.#applied;
    if (seq > 0) {
      const found = await this.#answered(way.jsm.streams.getMessage(stream, { seq }));
      const isOurs = found?.header.get("Punctual-Set").startsWith(`${id} `) === true;
      // It may have been cleaned away, with others behind it.
      if (!isOurs && this.#applied.seq === seq) {
        this.#lost();
        await this.#loaded;
      }
    }
    this.#isVerified = true;
  }

  /** Waits until something beyond a message has been applied. */
  async #beyond(seq: number): Promise<void> {
    const until = performance.now() + this.#options.callMs;
    while (this.#applied.seq <= seq && this.#broken === undefined) {
      const isPrompt = await Promise.race([this.#moved().then(() => true), pause(impatientMs).then(() => false)]);
      if (!isPrompt && this.#applied.seq <= seq) this.#tail.restart();
      if (performance.now() > until) {
        // Perhaps there is nothing to come, and the journal is another one.
        this.#isVerified = false;
        return;
      }
    }
  }

  /** Resolves when anything has been applied or settled. */
  #moved(): Promise<void> {
    return new Promise((resolve) => this.#progress.push(resolve));
  }

  #tellProgress(): void {
    for (const tell of this.#progress.splice(0)) tell();
  }

  // Cleaning

  #account(set: ChangeSet, first: number, bytes: number): void {
    const rows: [RowName, "whole" | "changed" | "gone"][] = [];
    eachRow(set, (name, what) => rows.push([name, what]));
    this.#bases.wrote(first, bytes, rows);
  }

  get #isBloated(): boolean {
    const { bytes, live } = this.#bases.size;
    return bytes > this.#options.cleanFromBytes && bytes > cleaning.factor * live;
  }

  #cleanSometimes(): void {
    if (this.#isCleaning || this.#isEnded || !this.#isBloated) return;
    this.#isCleaning = true;
    void this.#clean()
      .catch(() => {})
      .finally(() => {
        this.#isCleaning = false;
      });
  }

  /** Writes the oldest rows anew at the journal's end, and has the messages before the oldest row's purged. */
  async #clean(): Promise<void> {
    const { way, stream, subject } = this.#options;
    while (this.#isBloated && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#rewriting = resolve;
        this.#beginTurns();
      });
      const through = Math.min(this.#bases.needlessThrough, this.#appliedFirst - 1);
      if (through < 1) return;
      await way.jsm.streams.purge(stream, { filter: subject, seq: through + 1 });
      this.#bases.purged(through);
    }
  }

  async #rewrite(finish: () => void): Promise<void> {
    this.#rewriting = undefined;
    const names = this.#bases.oldest(cleaning.rows);
    if (names.length > 0) await this.#write(rowsOf(this.#world, names, this.#options.clock.now()), undefined, []);
    finish();
  }

  get #partBytesMax(): number {
    return this.#options.messageBytesMax - headerBytes;
  }
}

function answer({ call, answer: value, error }: Done): void {
  if (error === undefined) call.resolve(value as never);
  else call.reject(error.thrown);
}

function isSame(one: Place, other: Place): boolean {
  return one.seq === other.seq && one.id === other.id;
}

/** The process that a change set is of. */
function writerOf(id: string): string {
  return id.slice(0, id.lastIndexOf("."));
}

function isFinal(error: unknown): boolean {
  return error instanceof Error && ["StoreCorruptError", "StoreTooNewError"].includes(error.name);
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function randomId(): string {
  return randomBytes(9).toString("base64url");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
