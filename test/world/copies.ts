// Several worlds that follow one journal, as the processes of the NATS engine do: each call runs on one of them, what it has
// changed goes to the others as JSON. At every step all are held against each other, and what differs is thrown.
import type { Clock, Millis } from "../../src/core/clock.ts";
import type { Engine } from "../../src/core/engine.ts";
import { type HistoryOptions, resolveHistory } from "../../src/core/history.ts";
import { migrationStore } from "../../src/engines/memory/migrations.ts";
import { Bases } from "../../src/engines/nats/bases.ts";
import {
  applyChangeSet,
  type ChangeSet,
  changeSetOf,
  eachRow,
  type RowName,
  rowsOf,
} from "../../src/world/change-set.ts";
import type { Run } from "../../src/world/run.ts";
import { storesOver } from "../../src/world/stores.ts";
import { World } from "../../src/world/world.ts";
import { differences } from "../fuzz/difference.ts";
import type { Random } from "../simulation/random.ts";
import { pictureOf } from "./picture.ts";

/** How often something is done around a call, from 0 to 1. */
export interface Habits {
  /** The call is tried before, once or twice, and taken back. */
  readonly takesBack: number;
  /** The oldest rows are written anew, and what is needed no more is purged. */
  readonly cleans: number;
  /** A world is made from the journal, and may stand in for one that is there. */
  readonly loads: number;
}

type Work = Parameters<Run>[0];

/** Where two worlds part. No PunctualError, so that nobody takes it for an answer. */
class Parting extends Error {}

export class Copies {
  /** How many of each there were. */
  readonly done = { attemptsTakenBack: 0, changeSets: 0, cleanings: 0, loads: 0 };
  readonly #clock: Clock;
  readonly #history: HistoryOptions;
  readonly #habits: Habits;
  readonly #random: Random;
  readonly #worlds: World[];
  readonly #bases = new Bases();
  #journal: { readonly seq: number; readonly text: string }[] = [];
  #seq = 0;

  constructor(clock: Clock, history: HistoryOptions, habits: Habits, random: Random) {
    this.#clock = clock;
    this.#history = history;
    this.#habits = habits;
    this.#random = random;
    this.#worlds = [this.#newWorld(), this.#newWorld()];
  }

  /** An engine whose calls run on one of the worlds, whichever it is. */
  engine(): Engine {
    return {
      name: "copies",
      capabilities: { push: true, transactions: false },
      open: async () => {},
      close: async () => {},
      ...storesOver(this.#run, async () => []),
      migrations: migrationStore,
      watch: async () => async () => {},
    };
  }

  readonly #run: Run = async (work) => {
    const random = this.#random;
    const world = random.pick(this.#worlds);
    const now = this.#clock.now();
    if (random.chance(this.#habits.takesBack)) this.#tryAndTakeBack(world, work, now);
    const { answer, changes, signals } = world.attempt(() => work(world, now));
    const set = changeSetOf(world, changes, signals, now);
    if (set !== undefined) {
      this.done.changeSets++;
      this.#write(set, world);
    }
    if (random.chance(this.#habits.cleans)) this.#clean(now);
    if (random.chance(this.#habits.loads)) this.#load();
    return answer;
  };

  #newWorld(): World {
    return new World(this.#clock, resolveHistory(this.#history));
  }

  /** Two attempts may be taken back as one, as the calls of a change set are. */
  #tryAndTakeBack(world: World, work: Work, now: Millis): void {
    this.done.attemptsTakenBack++;
    const before = pictureOf(world);
    try {
      const { changes } = world.attempt(() => work(world, now));
      try {
        if (this.#random.chance(0.5)) changes.add(world.attempt(() => work(world, now)).changes);
      } finally {
        world.takeBack(changes);
      }
    } catch {
      // What the call throws is answered when it is done in earnest.
    }
    expectAlike("a world, and what it was before an attempt that was taken back", before, pictureOf(world));
  }

  #write(set: ChangeSet, author: World | undefined): void {
    const text = JSON.stringify(set);
    this.#seq++;
    this.#journal.push({ seq: this.#seq, text });
    const rows: [RowName, "whole" | "changed" | "gone"][] = [];
    eachRow(set, (name, what) => rows.push([name, what]));
    this.#bases.wrote(this.#seq, text.length, rows);
    for (const world of this.#worlds) if (world !== author) applyChangeSet(world, JSON.parse(text) as ChangeSet);
    const [first, ...others] = this.#worlds.map(pictureOf);
    for (const other of others) expectAlike(`two worlds after change set ${this.#seq}`, first, other);
  }

  #clean(now: Millis): void {
    this.done.cleanings++;
    const names = this.#bases.oldest(this.#random.between(1, 12));
    this.#write(rowsOf(this.#random.pick(this.#worlds), names, now), undefined);
    const through = Math.min(this.#bases.needlessThrough, this.#seq - 1);
    this.#journal = this.#journal.filter(({ seq }) => seq > through);
    this.#bases.mark(through);
    this.#bases.purged(through);
  }

  #load(): void {
    this.done.loads++;
    const fresh = this.#newWorld();
    for (const { text } of this.#journal) applyChangeSet(fresh, JSON.parse(text) as ChangeSet);
    fresh.arrangeFinished();
    const place = this.#random.between(0, this.#worlds.length - 1);
    const [old] = this.#worlds.splice(place, 1, fresh);
    if (old !== undefined) {
      expectAlike("a world that followed, and one made from the journal", pictureOf(old), pictureOf(fresh));
    }
  }
}

/** @throws Parting */
function expectAlike(which: string, one = "", other = ""): void {
  if (one === other) return;
  const found = differences(JSON.parse(one), JSON.parse(other));
  if (found.length > 0)
    throw new Parting(`${which} differ: ${found.join("; ").replaceAll("in memory", "in the first")}`);
}
