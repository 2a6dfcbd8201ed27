// Runs the engine's steps: read, decide, and write in one script if nothing that was read has moved meanwhile; else the
// whole step is run anew. Nobody holds a lock, so nobody who dies or hangs keeps others waiting.
import { setTimeout as sleep } from "node:timers/promises";
import type { Millis } from "../../core/clock.ts";
import { NotWrittenError } from "../../core/errors.ts";
import type { TenantId } from "../../core/tenant.ts";
import { Missing, Names } from "../../core/workspace/names.ts";
import { Workspace } from "../../core/workspace/workspace.ts";
import type { Fired } from "./fired-ticks.ts";
import { type MadeClaim, planOf, type Spend } from "./plan.ts";
import { commitScript } from "./scripts/commit.ts";
import { releaseDueScript } from "./scripts/due.ts";
import { Reading } from "./step-reading.ts";
import type { Access } from "./store.ts";

/** So often a step is run anew at most; each time someone else's was written. */
const repeatsMax = 100;

/** From the third time on it waits a little first, up to so many ms, so that those in its way get done. */
const waitMsMax = 20;

const noneInserted: ReadonlyMap<TenantId, number> = new Map();

/** What a step had read was written by others each time that it was run. */
export class Moved extends NotWrittenError {}

/** One step. */
export interface StepRequest<T> {
  /** Names what will surely be asked for. */
  readonly hint: (names: Names, reading: Reading) => void;
  /** Looks for itself before all else, each time the step is run. */
  readonly look?: (reading: Reading) => Promise<void>;
  readonly decide: (workspace: Workspace, reading: Reading) => T;
  /** The rates that its answer counts against; nothing is written where they give nothing. */
  readonly spend?: (answer: T) => Spend | undefined;
  /** The claim that its answer makes. */
  readonly claim?: (answer: T) => MadeClaim | undefined;
  /** Who has due schedules in hand; with the step's end nobody has. */
  readonly inHand?: string;
  /** Schedules that it changes have fired up to their cursors. */
  readonly fires?: boolean;
  /** So often it is run anew at most. */
  readonly repeats?: number;
}

/** A step that was written. */
export interface Written<T> {
  readonly answer: T;
  readonly now: Millis;
  /** When the next schedule ticks, by the commit; absent where none does or nothing was written. */
  readonly nextTickAt?: Millis | undefined;
  readonly wrote: boolean;
}

export class Steps {
  readonly access: Access;

  constructor(access: Access) {
    this.access = access;
  }

  /** A decision over what it names and asks for, written as a whole. */
  async run<T>(hint: (names: Names) => void, decide: (workspace: Workspace) => T): Promise<T> {
    return (await this.perform({ hint, decide })).answer;
  }

  /** @throws Moved when others were in the way again and again */
  async perform<T>(request: StepRequest<T>): Promise<Written<T>> {
    const { repeats = repeatsMax } = request;
    for (let tries = 0; tries <= repeats; tries++) {
      if (tries > 2) await sleep(Math.random() * Math.min(waitMsMax, tries));
      // Ids of new jobs are not looked up the first time: the commit finds one that is taken.
      const written = await this.#try(request, tries === 0);
      if (written !== undefined) return written;
    }
    throw new Moved("others wrote to the same jobs or schedules again and again");
  }

  /** Undefined when something has moved. */
  async #try<T>(request: StepRequest<T>, isFirst: boolean): Promise<Written<T> | undefined> {
    const { hint, look, decide, spend, claim, inHand, fires } = request;
    const { client, history } = this.access;
    const reading = new Reading(this.access, { assumesNew: isFirst });
    await look?.(reading);
    let names = new Names();
    hint(names, reading);
    for (;;) {
      await reading.load(names);
      const workspace = new Workspace(reading.loaded, {
        now: reading.now,
        auditsAll: history.auditsAll,
        keepsEvents: history.eventAgeMsMax > 0,
        inserting: noneInserted,
      });
      let answer: T;
      try {
        answer = decide(workspace, reading);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        names = new Names();
        error.ask(names);
        continue;
      }
      const { now } = reading;
      const fired = fires === true ? firedBy(workspace) : [];
      const plan = planOf(workspace, reading, history, {
        spend: spend?.(answer),
        claim: claim?.(answer),
        inHand,
        fired,
      });
      // What was taken for granted is compared by a commit only.
      if (plan === undefined && reading.hasAssumed) return undefined;
      if (plan === undefined) {
        if (inHand !== undefined && reading.due.found.length > 0) await client.run(releaseDueScript, [now, inHand]);
        return { answer, now, wrote: false };
      }
      const [isWritten, next] = (await client.run(commitScript, [now, ...plan])) as [number, string];
      if (isWritten !== 1) return undefined;
      for (const one of fired) this.access.fired.remember(one);
      this.access.tellHere(workspace.signals);
      return { answer, now, wrote: true, nextTickAt: next === "" || next === undefined ? undefined : Number(next) };
    }
  }
}

function firedBy(workspace: Workspace): Fired[] {
  return workspace.changedSchedules().flatMap(({ schedule }): Fired[] => {
    if (schedule === undefined) return [];
    const { tenant, id, incarnation, cursor, ruleSetAt } = schedule;
    return [[tenant, id, incarnation, cursor.after, ruleSetAt]];
  });
}
