// This process's copy of the store: a world that is made from the journal and follows it, message by message. Each message
// names the one that it was written behind; where it is not the last that was applied this copy has lost its place (the
// journal was cleaned meanwhile, or has lost its end), and is made anew.
import type { MsgRequest, StoredMsg } from "@nats-io/jetstream";
import type { Millis } from "../../core/clock.ts";
import { NotWrittenError, StoppedError, StoreCorruptError, StoreTooNewError } from "../../core/errors.ts";
import type { History } from "../../core/history.ts";
import { applyChangeSet, type ChangeSet, eachRow, type RowName } from "../../world/change-set.ts";
import { World } from "../../world/world.ts";
import { type Answers, pause } from "./answers.ts";
import { Bases } from "./bases.ts";
import type { Way } from "./connecting.ts";
import { beginning, decode, type PartName, type Place, readHeaders, setHeader } from "./encoding.ts";
import { asStoreError } from "./faults.ts";
import type { Format } from "./format.ts";
import type { StoreClock } from "./store-clock.ts";
import { Tail, type TailMessage } from "./tail.ts";

export interface ReplicaOptions {
  readonly way: Way;
  readonly stream: string;
  readonly subject: string;
  readonly history: History;
  readonly clock: StoreClock;
  /** Opening gives up after so long without a message, in ms. */
  readonly callMs: Millis;
}

/** What the copy tells its owner, who writes the journal too. */
export interface ReplicaOwner {
  /** The change set that is on its way from this process, if any. */
  readonly flightId: string | undefined;
  /** It has arrived, in messages from `first` to `last`. */
  written(first: number, last: number): void;
  /** Another one has come in its place: what it has changed is to be taken back now. */
  overtaken(): void;
  /** A change set of another process has been applied. */
  applied(set: ChangeSet, id: string): void;
  /** The world is of no use any more; another is made. */
  lost(): void;
  /** A world has been made anew, after the first. */
  replaced(): void;
  /** Nothing can be done any more. */
  broken(error: unknown): void;
}

/** Between two tries, in ms; longer and longer while a server catches up with its peers. */
const pauseMs = { least: 50, most: 1_000 } as const;
/** What is in the journal and does not come is asked for anew after this, in ms. */
const impatientMs = 500;
/** What is missing so often, whenever the journal is read, is asked of the stream's leader. */
const gapsMax = 3;

/** From the first to the last message of a change set. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** Messages that were not there between two that were: of a server that is catching up, of one that was purged, or deleted. */
interface Gap {
  readonly after: number;
  readonly before: number;
  readonly times: number;
}

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #answers: Answers;
  readonly #owner: ReplicaOwner;
  readonly #tail: Tail;
  readonly bases = new Bases();
  #world: World;
  /** The last message that the world holds, and the first of its change set. */
  #applied: Place = beginning;
  #appliedFirst = 0;
  #format: Format | undefined;
  #partial: { readonly name: PartName; readonly first: number; readonly parts: Uint8Array[] } | undefined;
  /** The one load there may be; it begins anew where its generation is not the present one. */
  #loading: Promise<void> | undefined;
  #generation = 0;
  #hasLoaded = false;
  /** While messages are read that are there already. */
  #reading:
    | { readonly target: number; readonly done: () => void; readonly failed: (error: unknown) => void }
    | undefined;
  #gap: Gap = { after: 0, before: 0, times: 0 };
  /** The journal's first message, by the stream's leader; and one that may follow a gap, as what was there is deleted. */
  #first = 0;
  #afterDeleted: number | undefined;
  /** Since the connection was made, the journal has been seen to be the one that was followed. */
  #isVerified = true;
  #verifying: Promise<void> | undefined;
  #isEnded = false;
  readonly #waiting: (() => void)[] = [];

  constructor(options: ReplicaOptions, answers: Answers, owner: ReplicaOwner) {
    this.#options = options;
    this.#answers = answers;
    this.#owner = owner;
    this.#world = this.#newWorld();
    this.#tail = new Tail({ ...options, onMessage: (message) => this.#receive(message) });
  }

  get world(): World {
    return this.#world;
  }

  get applied(): Place {
    return this.#applied;
  }

  get appliedFirst(): number {
    return this.#appliedFirst;
  }

  get format(): Format | undefined {
    return this.#format;
  }

  /** Whether the world is what the journal was a moment ago. */
  get isReady(): boolean {
    return this.#loading === undefined && this.#isVerified;
  }

  /** @throws when the server does not say, or with what ends the copy for good */
  async ready(): Promise<void> {
    while (!this.isReady) {
      if (this.#loading === undefined) await this.#verify();
      else await this.#loading;
    }
  }

  /** Makes the world from the whole journal, and follows it from then on. */
  load(): Promise<void> {
    this.#beginAnew();
    this.#loading ??= this.#loadUntilDone().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  end(): void {
    this.#isEnded = true;
    this.#beginAnew();
    this.#tail.stop();
    this.tellProgress();
  }

  /** A change set of this process's own has been written. */
  wrote(id: string, set: ChangeSet, format: Format, span: Span, bytes: number): void {
    this.#applied = { seq: span.last, id };
    this.#appliedFirst = span.first;
    this.#format = format;
    this.#partial = undefined;
    this.#tail.passOver(span.last);
    this.#account(set, span.first, bytes);
  }

  /** Waits until something beyond a message has been applied, or for so long; as long as a call may take by default. */
  async beyond(seq: number, ms: Millis = this.#options.callMs): Promise<void> {
    const until = performance.now() + ms;
    const generation = this.#generation;
    while (this.#applied.seq <= seq && generation === this.#generation && !this.#isEnded) {
      const patienceMs = Math.min(impatientMs, ms);
      const isPrompt = await Promise.race([this.progress().then(() => true), pause(patienceMs).then(() => false)]);
      if (!isPrompt && patienceMs === impatientMs && this.#applied.seq <= seq && this.#loading === undefined)
        this.#tail.restart();
      if (performance.now() > until) {
        // Perhaps there is nothing to come, and the journal is another one.
        if (ms >= this.#options.callMs) this.#isVerified = false;
        return;
      }
    }
  }

  /** Whether the journal holds anything beyond a message. */
  async isBeyond(seq: number): Promise<boolean> {
    return (await this.#next(seq + 1)) !== null;
  }

  /** Resolves when anything has been applied. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  tellProgress(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }

  connectionLost(): void {
    this.#isVerified = false;
    if (this.#loading !== undefined) this.#beginAnew();
  }

  /** The connection is there again, perhaps to another server, or to one that has lost what it had not written to its disk. */
  connectionBack(): void {
    if (this.#loading !== undefined) return;
    this.#tail.restart();
    this.#verify().catch(() => {});
  }

  // Making the world

  #beginAnew(): void {
    this.#generation++;
    this.#reading?.failed(new Error("the journal is read anew"));
  }

  async #loadUntilDone(): Promise<void> {
    const until = performance.now() + this.#options.callMs;
    for (let tries = 0; ; tries++) {
      const generation = this.#generation;
      if (this.#isEnded) throw new StoppedError("the nats engine is closed");
      try {
        await this.#loadOnce();
        if (generation === this.#generation) break;
      } catch (error) {
        if (this.#isEnded || isFinal(error)) throw error;
        const isStale = generation !== this.#generation;
        if (!isStale && !this.#hasLoaded && performance.now() > until) {
          throw asStoreError(error, { what: "store.open", writes: false });
        }
        await pause(Math.min(pauseMs.most, pauseMs.least * 2 ** Math.min(10, tries)));
      }
    }
    this.#world.arrangeFinished();
    this.#isVerified = true;
    if (this.#hasLoaded) this.#owner.replaced();
    this.#hasLoaded = true;
  }

  async #loadOnce(): Promise<void> {
    this.#tail.stop();
    this.#world = this.#newWorld();
    this.bases.clear();
    this.#applied = beginning;
    this.#partial = undefined;
    const generation = this.#generation;
    // All that is there must come, from the first to the last: a server that is catching up has less, and other gaps.
    const last = await this.#message({ last_by_subj: this.#options.subject });
    this.#first = (await this.#next(1))?.seq ?? 0;
    this.#afterDeleted = await this.#deletedGap();
    if (generation !== this.#generation) return;
    if (last === null) this.#tail.start(0);
    else await this.#read(last.seq);
  }

  /** The message behind a gap that shows again and again, if the leader has nothing in it either and it was not purged. */
  async #deletedGap(): Promise<number | undefined> {
    const { after, before, times } = this.#gap;
    if (times < gapsMax || this.#first > after) return undefined;
    return (await this.#next(after + 1))?.seq === before ? before : undefined;
  }

  /** Reads up to a message. @throws when nothing comes for as long as a call may take */
  async #read(target: number): Promise<void> {
    let seen = 0;
    let watch: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#reading = { target, done: resolve, failed: reject };
        this.#tail.start(0);
        watch = setInterval(() => {
          if (this.#applied.seq === seen) reject(new NotWrittenError("the journal cannot be read: no message comes"));
          seen = this.#applied.seq;
        }, this.#options.callMs);
      });
    } finally {
      this.#reading = undefined;
      clearInterval(watch);
    }
  }

  #newWorld(): World {
    return new World(this.#options.clock, this.#options.history);
  }

  // Following

  #receive(message: TailMessage): void {
    if (this.#isEnded || message.seq <= this.#applied.seq) return;
    try {
      this.#take(message);
    } catch (error) {
      this.#tail.stop();
      this.#isEnded = true;
      this.#reading?.failed(error);
      this.#owner.broken(error);
      this.tellProgress();
    }
  }

  #take(message: TailMessage): void {
    const name = readHeaders(message.header);
    if (name.part === 1) this.#partial = { name, first: message.seq, parts: [] };
    const partial = this.#partial;
    // The rest of a set whose beginning was purged is nobody's.
    if (partial === undefined || partial.name.id !== name.id) return;
    partial.parts.push(message.data);
    if (name.part < name.parts) return;
    this.#partial = undefined;
    this.#takeSet(partial.name, partial.parts, { first: partial.first, last: message.seq });
    if (this.#reading !== undefined && this.#applied.seq >= this.#reading.target) this.#reading.done();
  }

  #takeSet(name: PartName, parts: readonly Uint8Array[], span: Span): void {
    if (!this.#isNext(name, span)) return;
    if (this.#owner.flightId === name.id) {
      this.#owner.written(span.first, span.last);
      return;
    }
    if (this.#owner.flightId !== undefined) this.#owner.overtaken();
    const set = decode(parts);
    applyChangeSet(this.#world, set);
    this.#applied = { seq: span.last, id: name.id };
    this.#appliedFirst = span.first;
    this.#format = name.format;
    this.#options.clock.saw(set.at);
    this.#account(set, span.first, bytesOf(parts));
    if (this.#reading === undefined) this.#owner.applied(set, name.id);
    this.tellProgress();
  }

  /** Whether a set was written behind the last one that was applied. */
  #isNext({ after, id }: PartName, { first, last }: Span): boolean {
    const { seq, id: before } = this.#applied;
    if (after.seq === seq && after.id === before) return true;
    if (this.#reading === undefined) {
      this.#lose();
      return false;
    }
    // What was before the first has been cleaned away.
    if (this.#applied === beginning && first === this.#first) return true;
    if (after.seq !== seq && first === this.#afterDeleted) return true;
    if (after.seq !== seq) {
      const isSame = this.#gap.after === seq && this.#gap.before === first;
      this.#gap = { after: seq, before: first, times: isSame ? this.#gap.times + 1 : 1 };
      // The journal was cleaned while it was read, or the server that it is read from is catching up: not all is here.
      this.#tail.stop();
      this.#beginAnew();
      return false;
    }
    // Written behind an end that the journal has lost: it changes nothing, whoever reads it.
    this.#applied = { seq: last, id };
    return false;
  }

  /** This world is not what the journal says. */
  #lose(): void {
    this.#tail.stop();
    this.#owner.lost();
    this.load().catch((error: unknown) => {
      if (!this.#isEnded) this.#owner.broken(error);
    });
  }

  /** Whether the journal is still the one that was followed. @throws when the server does not say */
  #verify(): Promise<void> {
    this.#verifying ??= this.#verifyOnce().finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  async #verifyOnce(): Promise<void> {
    while (!this.#isVerified && this.#loading === undefined) {
      const { seq, id } = this.#applied;
      const generation = this.#generation;
      const found = seq === 0 ? undefined : await this.#message({ seq });
      // Meanwhile another message was applied, or a load has begun.
      if (this.#applied.seq !== seq || generation !== this.#generation) continue;
      if (found === undefined || found?.header.get(setHeader).startsWith(`${id} `)) this.#isVerified = true;
      else this.#lose();
    }
  }

  /** The first message of the journal from a sequence on. */
  #next(seq: number): Promise<StoredMsg | null> {
    return this.#message({ seq, next_by_subj: this.#options.subject } as MsgRequest);
  }

  #message(query: MsgRequest): Promise<StoredMsg | null> {
    const { way, stream } = this.#options;
    return this.#answers.to(way.jsm.streams.getMessage(stream, query));
  }

  #account(set: ChangeSet, first: number, bytes: number): void {
    const rows: [RowName, "whole" | "changed" | "gone"][] = [];
    eachRow(set, (name, what) => rows.push([name, what]));
    this.bases.wrote(first, bytes, rows);
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof StoreCorruptError || error instanceof StoreTooNewError;
}

export function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
