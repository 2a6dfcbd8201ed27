// Runs the engine's steps, each as one transaction: load and lock, decide, write, tell. Where another transaction was in
// the way, the whole step is run anew.
import type { Clock, Millis } from "../../core/clock.ts";
import type { EventPurge, PurgeAnswer, PurgeRequest } from "../../core/engine.ts";
import type { History } from "../../core/history.ts";
import { isWorthSending, type Signal } from "../../core/signal.ts";
import type { TenantId } from "../../core/tenant.ts";
import { Missing, Names } from "../../core/workspace/names.ts";
import { type Loaded, nothingLoaded, Workspace } from "../../core/workspace/workspace.ts";
import type { Connections, Session, TransactionOptions } from "./connections.ts";
import { isTaken, isWorthRepeating, translate } from "./faults.ts";
import { flush } from "./flush.ts";
import type { FreshClaims } from "./fresh-leases.ts";
import type { Guards } from "./guards.ts";
import { lockTakenKeys } from "./key-locks.ts";
import { type KnownLanes, queuesWaitingFor } from "./lanes.ts";
import { load } from "./load.ts";
import { nowOf } from "./sql.ts";

/** So often a step is run anew at most: each time someone else's was committed. */
const repeatsMax = 20;

/** In a caller's transaction: what took a key first is seen at the next try, or never. */
const joinedRepeatsMax = 2;

const patienceStatement = "-- tx.patience\nSELECT set_config('lock_timeout', $1, true) AS patience";

const nowStatement = `-- store.now\nSELECT ${nowOf("$1")}::float8 AS now`;

/** Finished jobs of a queue that were stored just now. */
export interface Written {
  readonly queue: string;
  readonly group: "completed" | "ended";
  readonly count: number;
}

/** Is told what was stored of the past, and trims it; see retention.ts. */
export interface Trimming {
  wrote(steps: Steps, ended: readonly Written[], events: number): Promise<void>;
  purge(steps: Steps, request: PurgeRequest): Promise<PurgeAnswer>;
  purgeEvents(steps: Steps, request: EventPurge): Promise<PurgeAnswer>;
}

/** What all steps of an engine share. */
export interface StepContext {
  /** The clock of a test; else the server's counts. */
  readonly clock: Clock | undefined;
  readonly history: History;
  readonly lanes: KnownLanes;
  readonly guards: Guards;
  readonly retention: Trimming;
  readonly fresh: FreshClaims;
  /** Runs statements that are committed at once, whatever transaction is open elsewhere; absent with one connection. */
  readonly aside: Session | undefined;
}

export class Steps {
  readonly connections: Connections;
  readonly context: StepContext;
  readonly #tell: (signals: readonly Signal[], session?: Session) => Promise<void> | void;

  /** @param tell is given the signals of a step: after its commit, or inside a caller's transaction before it */
  constructor(
    connections: Connections,
    context: StepContext,
    tell: (signals: readonly Signal[], session?: Session) => Promise<void> | void,
  ) {
    this.connections = connections;
    this.context = context;
    this.#tell = tell;
  }

  /** The parameter that `nowOf` takes. */
  get testNow(): Millis | null {
    return this.context.clock?.now() ?? null;
  }

  async now(session: Session = this.connections): Promise<Millis> {
    const [row] = await session.run(nowStatement, [this.testNow]);
    return row?.["now"];
  }

  /** A step over rows that it names: `hint` those that it will surely ask for. */
  run<T>(hint: (names: Names) => void, decide: (workspace: Workspace) => T, options?: TransactionOptions): Promise<T> {
    return this.begin(async (step) => {
      const names = new Names();
      hint(names);
      return await step.decide(names, decide);
    }, options);
  }

  /** A transaction in which one decision is made, after statements of its own; repeated as a whole. */
  async begin<T>(work: (step: Step) => Promise<T>, options?: TransactionOptions): Promise<T> {
    for (let repeats = 0; ; repeats++) {
      const made: { step?: Step } = {};
      try {
        const answer = await this.connections.transaction(async (session) => {
          const step = new Step(this, session, await this.now(session));
          made.step = step;
          if (options?.patienceMs !== undefined) await session.run(patienceStatement, [`${options.patienceMs}`]);
          const answered = await work(step);
          await step.wakeFreed();
          if (this.connections.joined) await this.#tell(step.signals, session);
          return answered;
        }, options);
        const { step } = made;
        if (step !== undefined && !this.connections.joined) {
          await this.#trim(step.ended, step.events);
          await this.#tell(step.signals);
        }
        return answer;
      } catch (error) {
        if (!isWorthRepeating(error)) throw error;
        // A caller's transaction that has failed as a whole, or whose old snapshot cannot see what is in its way.
        if (this.connections.joined && (repeats >= joinedRepeatsMax || !isTaken(error))) {
          throw translate(error, "another transaction was in the way", false);
        }
        if (repeats >= repeatsMax) throw translate(error, "others were in the way again and again", false);
      }
    }
  }

  /** Tells watchers what was written at an instant otherwise than by a step. */
  async tell(signals: readonly Signal[], now: Millis): Promise<void> {
    const worth = signals.filter((signal) => isWorthSending(signal, now));
    if (worth.length > 0) await this.#tell(worth, this.connections.joined ? this.connections : undefined);
  }

  /** What was written is written: a trim that fails is the janitor's, and no caller's. */
  async #trim(ended: readonly Written[], events: number): Promise<void> {
    try {
      await this.context.retention.wrote(this, ended, events);
    } catch {
      // The next one trims what this one has left.
    }
  }

  /** Jobs were completed otherwise than by a step: their history is trimmed, and who waits for their places is told. */
  async completed({ ended, limited, passedOver }: Completed): Promise<void> {
    const written = [...new Set(ended)].map((queue) => ({
      queue,
      group: "completed" as const,
      count: ended.filter((one) => one === queue).length,
    }));
    await this.#trim(written, 0);
    if (limited.length + passedOver.length === 0) return;
    try {
      const now = await this.now();
      const freed = passedOver.length === 0 ? [] : await queuesWaitingFor(this.connections, passedOver);
      const queues = new Set([...limited, ...freed]);
      await this.tell(
        [...queues].map((queue) => ({ kind: "wake", queue, dueAt: now })),
        now,
      );
    } catch {
      // The completions are committed all the same: who waits for places looks for them by itself, too.
    }
  }
}

/** What completions led to. */
export interface Completed {
  /** The queue of each job that the history keeps. */
  readonly ended: readonly string[];
  /** Queues whose claims wait for places. */
  readonly limited: readonly string[];
  /** Tenants that were given nothing for want of a place. */
  readonly passedOver: readonly string[];
}

/** One transaction as it goes on. */
export class Step {
  readonly session: Session;
  readonly now: Millis;
  readonly #steps: Steps;
  readonly keepsEvents: boolean;
  /** Events that were written. */
  events = 0;
  readonly signals: Signal[] = [];
  /** Finished jobs that were stored, by queue and half of its history. */
  readonly ended: Written[] = [];
  /** Tenants of which fewer jobs are active than before. */
  readonly #freed = new Set<TenantId>();

  constructor(steps: Steps, session: Session, now: Millis) {
    this.#steps = steps;
    this.keepsEvents = steps.context.history.eventAgeMsMax > 0;
    this.session = session;
    this.now = now;
  }

  /** Loads and locks what is named, for a decision to come. */
  load(names: Names, loaded: Loaded): Promise<void> {
    const { guards } = this.#steps.context;
    return load(this.session, names, loaded, this.now, guards);
  }

  /** Those who wait for a place of a limited tenant are told where some have become free. */
  async wakeFreed(): Promise<void> {
    if (this.#freed.size === 0) return;
    for (const queue of await queuesWaitingFor(this.session, [...this.#freed])) {
      this.signals.push({ kind: "wake", queue, dueAt: this.now });
    }
  }

  /** Makes a decision over what is named, and writes it. @param loaded what is known and locked already */
  async decide<T>(names: Names, decide: (workspace: Workspace) => T, loaded: Loaded = nothingLoaded()): Promise<T> {
    const { history, lanes, aside } = this.#steps.context;
    let wanted = names;
    for (;;) {
      await this.load(wanted, loaded);
      const workspace = new Workspace(loaded, {
        now: this.now,
        auditsAll: history.auditsAll,
        keepsEvents: this.keepsEvents,
        inserting: names.inserting,
      });
      let answer: T;
      try {
        answer = decide(workspace);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        wanted = new Names();
        error.ask(wanted);
        continue;
      }
      const isAside = this.#steps.connections.joined && aside !== undefined;
      if (isAside) {
        const unknown = lanes.unknown(workspace.lanes.touched());
        if (unknown.length > 0) await lanes.create(aside, unknown);
      }
      if (isAside) await lockTakenKeys(this.session, workspace, loaded);
      await flush(this.session, workspace, loaded, !isAside);
      this.events += workspace.events.length;
      this.signals.push(...workspace.signals);
      for (const { queue, tenant, active, completed, failed, cancelled } of workspace.lanes.rows()) {
        if (active < 0) this.#freed.add(tenant);
        if (completed > 0) this.ended.push({ queue, group: "completed", count: completed });
        if (failed + cancelled > 0) this.ended.push({ queue, group: "ended", count: failed + cancelled });
      }
      return answer;
    }
  }
}
