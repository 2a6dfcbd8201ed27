// The journal as one process writes it. A call runs on this process's world at once; what it has changed is written as the
// journal's next message, or taken back when another process has written first: then what that one wrote is applied, and
// the call runs anew. So every message is a step of its own, made from all that came before it.
import { randomBytes } from "node:crypto";
import type { Millis } from "../../core/clock.ts";
import { NotWrittenError, OutcomeUnknownError, StoppedError } from "../../core/errors.ts";
import type { Signal } from "../../core/signal.ts";
import { type ChangeSet, changeSetOf, rowsOf } from "../../world/change-set.ts";
import type { Changes } from "../../world/changes.ts";
import type { World } from "../../world/world.ts";
import { Answers, answerMs, pause } from "./answers.ts";
import { Cleaner, type CleanerOptions } from "./cleaner.ts";
import { encode } from "./encoding.ts";
import { asStoreError, wasNeverSent } from "./faults.ts";
import { type Format, ownFormat } from "./format.ts";
import { publish } from "./publishing.ts";
import { bytesOf, Replica, type ReplicaOptions } from "./replica.ts";
import { Turns } from "./turns.ts";

export interface JournalOptions extends ReplicaOptions, CleanerOptions {
  /** A message may have so many bytes, with its headers. */
  readonly messageBytesMax: number;
  readonly onSignals: (signals: readonly Signal[]) => void;
}

/** A call that waits to be done. */
interface Call {
  readonly work: (world: World, now: Millis) => unknown;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: number;
  /** Its caller has been told that it was given up: it is not done any more. */
  isGivenUp: boolean;
}

/** What came of a call on the world as it was. */
interface Done {
  readonly call: Call;
  readonly answer?: unknown;
  readonly error?: { readonly thrown: unknown };
}

/** What became of a change set; the error its callers are told, where it is none of both. */
type Outcome = "written" | "overtaken" | Error;

/** A change set on its way. */
interface Flight {
  readonly id: string;
  readonly set: ChangeSet;
  readonly world: World;
  readonly changes: Changes | undefined;
  readonly format: Format;
  readonly parts: readonly Uint8Array[];
  readonly done: readonly Done[];
  readonly settle: (outcome: Outcome) => void;
  isSettled: boolean;
}

/** A message has room for so many bytes beside its headers. */
const headerBytes = 512;
/** Calls are gathered for one change set up to so many rows, and so many characters of new jobs' inputs. */
const gathered = { rowsMax: 2_000, charactersMax: 16_000_000 } as const;
/** Between two tries, in ms. */
const pauseMs = 50;
/** What has overtaken a write is waited for so long, in ms, longer each time, before it is written again. */
const doubtMs = { least: 100, most: 2_000 } as const;
/** Much that is written is waited for longer. */
const bytesPerMs = 10_000;
/** Closing waits so long, in ms. */
const endMs = 5_000;
/** How often is looked for calls that take too long, in ms. */
const lookMs = 250;

export class Journal {
  readonly #options: JournalOptions;
  readonly #writer = randomId();
  readonly #answers: Answers;
  readonly #replica: Replica;
  readonly #turns: Turns;
  readonly #cleaner: Cleaner;
  #number = 0;
  /** So many calls run each by itself, as they were too much together. */
  #alone = 0;
  #queue: Call[] = [];
  #flight: Flight | undefined;
  /** Calls that have changed nothing, and wait to hear that what they saw is all there is. */
  #confirming: readonly Done[] = [];
  #isTurning = false;
  #isEnding = false;
  #isEnded = false;
  /** Why nothing can be done any more. */
  #broken: unknown;
  #deadlines: NodeJS.Timeout | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    const answers = new Answers(options.way);
    const turns = new Turns(options.way, options.subject, this.#writer);
    this.#answers = answers;
    this.#turns = turns;
    const flightId = () => this.#flight?.id;
    this.#replica = new Replica(options, answers, {
      get flightId() {
        return flightId();
      },
      written: (first, last) => this.#written(first, last),
      overtaken: () => this.#takeBack("overtaken"),
      applied: (set, id) => {
        turns.heard(writerOf(id));
        if (set.signals !== undefined) options.onSignals(set.signals);
      },
      lost: () => this.#flight?.settle(unknownOutcome()),
      replaced: () => options.onSignals([{ kind: "changed" }]),
      broken: (error) => this.#break(error),
    });
    this.#cleaner = new Cleaner(options, this.#replica, () => this.#begin());
  }

  /** Reads the whole journal, and follows it from then on. */
  async start(): Promise<void> {
    this.#deadlines = setInterval(() => this.#giveUpLate(), lookMs);
    this.#deadlines.unref();
    this.#turns.start();
    await this.#replica.load();
  }

  /** The format of the journal; undefined while nothing was written. */
  get format(): Format | undefined {
    return this.#replica.format;
  }

  /** Writes the first message of an empty journal; answers when that was, undefined where there is one already. */
  async begin(): Promise<Millis | undefined> {
    if (this.format !== undefined) return undefined;
    const at = this.#options.clock.now();
    const set = rowsOf(this.#replica.world, [], at);
    const outcome = await this.#write(set, this.#encoded(set), undefined, []);
    if (outcome instanceof Error) throw outcome;
    return outcome === "written" ? at : undefined;
  }

  /** Waits for what is on its way, but not long for a server that is away, and ends. */
  async end(): Promise<void> {
    this.#isEnding = true;
    const until = performance.now() + Math.min(this.#options.callMs, endMs);
    while (this.#isTurning && performance.now() < until) {
      await Promise.race([this.#replica.progress(), pause(pauseMs)]);
    }
    this.#isEnded = true;
    this.#replica.end();
    this.#flight?.settle(unknownOutcome());
    for (const call of this.#queue.splice(0)) call.reject(stopped());
    this.#turns.stop();
    this.#cleaner.end();
    this.#answers.interrupt();
    clearInterval(this.#deadlines);
  }

  connectionLost(): void {
    this.#replica.connectionLost();
    this.#answers.interrupt();
  }

  connectionBack(): void {
    this.#replica.connectionBack();
  }

  /** Does work as a step of the journal. @throws NotWrittenError, OutcomeUnknownError, StoppedError, and what the work throws */
  run<Answer>(work: (world: World, now: Millis) => Answer): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#isEnding) throw stopped();
      const deadline = performance.now() + this.#options.callMs;
      this.#queue.push({ work, resolve: resolve as Call["resolve"], reject, deadline, isGivenUp: false });
      this.#begin();
    });
  }

  #begin(): void {
    if (this.#isTurning || this.#isEnded) return;
    this.#isTurning = true;
    // Calls of one moment go together; and a claim that follows an insert is made two turns of the event loop later.
    setImmediate(() => setImmediate(() => void this.#takeTurns()));
  }

  async #takeTurns(): Promise<void> {
    while ((this.#queue.length > 0 || this.#cleaner.wantsTurn) && !this.#isEnded) {
      if (this.#broken !== undefined) {
        for (const { reject } of this.#queue.splice(0)) reject(this.#broken);
        this.#cleaner.end();
        break;
      }
      try {
        await this.#turn();
      } catch (error) {
        // The server does not answer: calls wait until their time is over.
        if (!isTransient(error)) this.#break(error);
        else await pause(pauseMs);
      }
    }
    this.#isTurning = false;
    this.#replica.tellProgress();
    // One may have come since.
    if (this.#queue.length > 0) this.#begin();
  }

  async #turn(): Promise<void> {
    await this.#turns.enter();
    await this.#replica.ready();
    // From here until it is on its way nothing comes between.
    const began = performance.now();
    const { world } = this.#replica;
    const now = this.#options.clock.now();
    if (this.#cleaner.wantsTurn) {
      const set = rowsOf(world, this.#cleaner.takeRows(), now);
      const outcome = await this.#write(set, this.#encoded(set), undefined, []);
      this.#turns.wrote(performance.now() - began, outcome === "written");
      this.#cleaner.wrote(outcome === "written");
      return;
    }
    const { done, changes, signals } = this.#attempt(world, now);
    if (done.length === 0) return;
    let set: ChangeSet | undefined;
    let parts: readonly Uint8Array[] = [];
    try {
      set = changes === undefined ? undefined : changeSetOf(world, changes, signals, now);
      if (set !== undefined) parts = this.#encoded(set);
    } catch (error) {
      if (changes !== undefined) world.takeBack(changes);
      this.#refuse(done, error);
      return;
    }
    const outcome = set === undefined ? await this.#confirm(done) : await this.#write(set, parts, changes, done);
    if (set !== undefined) this.#turns.wrote(performance.now() - began, outcome === "written");
    if (outcome === "written") {
      for (const one of done) answer(one);
      if (set?.signals !== undefined) this.#options.onSignals(set.signals);
      this.#cleaner.look();
    } else if (outcome === "overtaken") {
      // They run anew before those that came later.
      this.#queue.unshift(...done.map(({ call }) => call));
    } else {
      for (const { call } of done) call.reject(outcome);
    }
  }

  #encoded(set: ChangeSet): readonly Uint8Array[] {
    return encode(set, this.#options.messageBytesMax - headerBytes);
  }

  /** What calls have changed is too much to be written: together, or one of them by itself. */
  #refuse(done: readonly Done[], error: unknown): void {
    const [only] = done;
    if (done.length === 1)
      only?.call.reject(new NotWrittenError("it is too much to be written at once", { cause: error }));
    else {
      this.#alone = done.length;
      this.#queue.unshift(...done.map(({ call }) => call));
    }
  }

  /** Runs calls on the world. */
  #attempt(world: World, now: Millis) {
    const done: Done[] = [];
    const signals: Signal[] = [];
    let changes: Changes | undefined;
    let characters = 0;
    for (;;) {
      const call = this.#queue.shift();
      if (call === undefined) break;
      if (call.isGivenUp) continue;
      try {
        const made = world.attempt(() => call.work(world, now));
        if (changes === undefined) changes = made.changes;
        else changes.add(made.changes);
        signals.push(...made.signals);
        characters += charactersOf(world, made.changes);
        done.push({ call, answer: made.answer });
      } catch (thrown) {
        done.push({ call, error: { thrown } });
      }
      if (this.#alone > 0) {
        this.#alone--;
        break;
      }
      if (changes === undefined) continue;
      if (changes.jobs.size + changes.schedules.size > gathered.rowsMax || characters > gathered.charactersMax) break;
    }
    return { done, changes, signals };
  }

  /** Whether the journal ends where this world does: what a call that changed nothing has seen is all there is. */
  async #confirm(done: readonly Done[]): Promise<Outcome> {
    this.#confirming = done;
    try {
      return await this.#confirmed();
    } finally {
      this.#confirming = [];
    }
  }

  async #confirmed(): Promise<Outcome> {
    const replica = this.#replica;
    const { world } = replica;
    const { seq } = replica.applied;
    const isMoved = () => replica.world !== world || replica.applied.seq !== seq;
    const until = performance.now() + this.#options.callMs;
    while (!isMoved()) {
      try {
        await replica.ready();
        if (isMoved()) break;
        if (!(await replica.isBeyond(seq))) return isMoved() ? "overtaken" : "written";
        await replica.beyond(seq);
        break;
      } catch (error) {
        if (this.#isEnded) return stopped();
        if (performance.now() > until) return unreachable(error);
        await pause(pauseMs);
      }
    }
    return "overtaken";
  }

  /** Writes a change set as the journal's next. */
  #write(
    set: ChangeSet,
    parts: readonly Uint8Array[],
    changes: Changes | undefined,
    done: readonly Done[],
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const flight: Flight = {
        id: `${this.#writer}.${++this.#number}`,
        set,
        world: this.#replica.world,
        changes,
        done,
        format: this.#replica.format ?? ownFormat(set.at),
        parts,
        isSettled: false,
        settle: (outcome) => {
          if (flight.isSettled) return;
          flight.isSettled = true;
          this.#flight = undefined;
          resolve(outcome);
        },
      };
      this.#flight = flight;
      void this.#send(flight);
    });
  }

  /** Tries until it is known what became of it: the journal lets it in once at most, and says whether it has. */
  async #send(flight: Flight): Promise<void> {
    const { way, subject } = this.#options;
    const { parts, id, format } = flight;
    const after = this.#replica.applied;
    const ms = answerMs + bytesOf(parts) / bytesPerMs;
    // A try without an answer may still arrive.
    let mayArrive = false;
    for (let tries = 1; !flight.isSettled; tries++) {
      try {
        if (tries > 1) await this.#replica.ready();
        if (flight.isSettled) return;
        const publication = { subject, name: { id, after, format }, parts, batchId: randomId() };
        const said = await this.#answers.to(publish(way, publication, ms), ms);
        if (flight.isSettled) return;
        if (said.outcome === "written") this.#written(said.seq - parts.length + 1, said.seq);
        else if (said.outcome === "overtaken") {
          // A cluster's leader says so too while the write before is still on its way to its peers, and then nothing comes.
          await this.#replica.beyond(after.seq, Math.min(doubtMs.most, doubtMs.least * tries));
        } else if (!mayArrive) {
          this.#takeBack(new NotWrittenError(`the NATS server refuses a write: ${said.text}`));
        }
        if (said.outcome !== "refused") continue;
      } catch (error) {
        // Whether it was written will be seen: in the journal, or by writing it again.
        if (!wasNeverSent(error)) mayArrive = true;
        else if (!mayArrive) this.#takeBack(asStoreError(error, { what: "store", writes: true }));
      }
      if (!flight.isSettled) await pause(pauseMs);
    }
  }

  /** What is on its way has arrived. */
  #written(first: number, last: number): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#options.clock.saw(flight.set.at);
    this.#replica.wrote(flight.id, flight.set, flight.format, { first, last }, bytesOf(flight.parts));
    flight.settle("written");
  }

  /** What is on its way will not arrive. */
  #takeBack(outcome: "overtaken" | Error): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    if (flight.changes !== undefined && flight.world === this.#replica.world) flight.world.takeBack(flight.changes);
    flight.settle(outcome);
  }

  #break(error: unknown): void {
    this.#broken = error;
    this.#flight?.settle(error instanceof Error ? error : unknownOutcome());
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }

  /** Calls that wait too long are given up; what is on its way stays on its way. */
  #giveUpLate(): void {
    const now = performance.now();
    const isLate = ({ deadline, isGivenUp }: Call) => deadline < now && !isGivenUp;
    for (const call of [...this.#queue, ...this.#confirming.map((one) => one.call)]) {
      if (!isLate(call)) continue;
      call.isGivenUp = true;
      call.reject(unreachable(undefined));
    }
    this.#queue = this.#queue.filter(({ isGivenUp }) => !isGivenUp);
    for (const { call } of this.#flight?.done ?? []) {
      if (!isLate(call)) continue;
      call.isGivenUp = true;
      call.reject(new OutcomeUnknownError("the NATS server has not said what became of a write"));
    }
  }
}

function answer({ call, answer: value, error }: Done): void {
  if (error === undefined) call.resolve(value as never);
  else call.reject(error.thrown);
}

/** Of the inputs of jobs that are new. */
function charactersOf(world: World, { jobs }: Changes): number {
  let characters = 0;
  for (const [id, before] of jobs) if (before === undefined) characters += world.jobs.get(id)?.job.input.length ?? 0;
  return characters;
}

/** The process that a change set is of. */
function writerOf(id: string): string {
  return id.slice(0, id.lastIndexOf("."));
}

function unreachable(cause: unknown): Error {
  return asStoreError(cause ?? new Error("the server does not answer"), { what: "store", writes: false });
}

function unknownOutcome(): OutcomeUnknownError {
  return new OutcomeUnknownError("the connection to the journal ended while a write was on its way");
}

function stopped(): StoppedError {
  return new StoppedError("the nats engine is closed");
}

/** No answer, or one that the server may give otherwise a moment later. */
function isTransient(error: unknown): boolean {
  return !(
    error instanceof Error && ["StoreCorruptError", "StoreTooNewError", "TypeError", "RangeError"].includes(error.name)
  );
}

function randomId(): string {
  return randomBytes(9).toString("base64url");
}
