// The scheduler: one object over an engine, for producers, operators and the three roles of a process.
import { defaults } from "../core/defaults.ts";
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import type { Engine, Unwatch } from "../core/engine.ts";
import {
  CopyRefusedError,
  InvalidInputError,
  NoHandlerError,
  StoppedError,
  TransactionsUnsupportedError,
} from "../core/errors.ts";
import type { NewEvent } from "../core/events.ts";
import { type Guardrails, resolveGuardrails } from "../core/guardrails.ts";
import { type Entropy, mintToken } from "../core/id.ts";
import { refuseUnknown } from "../core/options.ts";
import type { Signal } from "../core/signal.ts";
import type { Task } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import { copyMarkKey } from "../core/transfer.ts";
import { clientsOf, type TenantScheduler, type TransactionScheduler } from "./bound-schedulers.ts";
import type { ClientHost } from "./client-host.ts";
import { type RuntimeClock, systemClock } from "./clock.ts";
import { Emitter } from "./emitter.ts";
import type { EnqueueOptions } from "./enqueue-options.ts";
import { ErrorLog } from "./error-log.ts";
import { eventNames, type SchedulerEvents } from "./events.ts";
import { EventsClient } from "./events-client.ts";
import { type ExplainRequest, type Explanation, explain } from "./explainer.ts";
import type { Handler } from "./handler.ts";
import { Inserts } from "./inserts.ts";
import { Janitor } from "./janitor.ts";
import { type Enqueued, type EnqueueItem, JobsClient } from "./jobs-client.ts";
import { QueuesClient, type Stats } from "./queues-client.ts";
import { entropyFrom } from "./randomness.ts";
import { Registry } from "./registry.ts";
import { checkSources, type ScheduleSource } from "./schedule-source.ts";
import { checkHandlers, checkOptions, checkRoles, type Role, type SchedulerOptions } from "./scheduler-options.ts";
import { SchedulesClient } from "./schedules-client.ts";
import { SourceRunner } from "./source-runner.ts";
import { StoreClock } from "./store-clock.ts";
import { readTenant, TenantsClient } from "./tenants-client.ts";
import { Ticker } from "./ticker.ts";
import { TimersClient } from "./timers-client.ts";
import { Workers } from "./workers.ts";
import { ownZoneData } from "./zone-data.ts";

/** Each thing that stop waits for after its deadline has so long, in ms. */
const stopGraceMs = 1_000;

/** The roles that were started. */
interface Running {
  readonly workers?: Workers;
  readonly ticker?: Ticker;
  readonly janitor?: Janitor;
  readonly sources: readonly SourceRunner[];
}

/** A scheduler; made by `createScheduler`. */
export class Scheduler<Tx = never> implements TransactionScheduler, AsyncDisposable {
  readonly jobs: JobsClient;
  readonly timers: TimersClient;
  readonly schedules: SchedulesClient;
  readonly queues: QueuesClient;
  /** Tenants' own limits and shares. */
  readonly tenants: TenantsClient;
  /** The audit log. */
  readonly events: EventsClient;
  readonly #engine: Engine<Tx>;
  readonly #emitter: Emitter<SchedulerEvents>;
  readonly #registry = new Registry();
  readonly #errors: ErrorLog;
  readonly #clock: RuntimeClock;
  readonly #random: () => number;
  readonly #entropy: () => Entropy;
  readonly #storeClock: StoreClock;
  readonly #inserts: Inserts;
  readonly #guardrails: Guardrails | undefined;
  readonly #payloadBytesMax: number;
  readonly #leaseMs: number;
  readonly #zoneData: string | undefined;
  readonly #options: SchedulerOptions<Tx>;
  #opened: Promise<void> | undefined;
  /** Opened, and the store's clock read. */
  #ready: Promise<void> | undefined;
  #sources: readonly ScheduleSource[];
  #running: Running | undefined;
  #unwatch: Unwatch | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #stopped = false;
  #reporting = false;

  constructor(options: SchedulerOptions<Tx>) {
    this.#options = checkOptions(options);
    this.#engine = options.engine;
    this.#zoneData = options.zoneData ?? ownZoneData();
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#entropy = entropyFrom(options.random);
    this.#storeClock = new StoreClock(this.#clock, () => this.#engine.now());
    this.#emitter = new Emitter((error) => this.#report(error));
    const append = async (events: readonly NewEvent[]) => {
      await this.#open();
      await this.#engine.events.append(events);
    };
    this.#errors = new ErrorLog(this.#clock, append, options.redact);
    this.#emitter.on("worker:error", ({ error, where }) => this.#errors.note(error, where, this.#storeClock.now()));
    this.#guardrails = options.guardrails === undefined ? undefined : resolveGuardrails(options.guardrails);
    this.#payloadBytesMax = options.payloadBytesMax ?? defaults.payloadBytesMax;
    this.#leaseMs = parseDuration(options.worker?.lease ?? defaults.leaseMs, "worker.lease", { minMs: 100 });
    this.#registry.add(options.handlers ?? []);
    this.#sources = checkSources(options.sources ?? []);
    // Where calls are done in their order the claim for a job leaves right behind it, without waiting to hear of it.
    const wake = (queue: string) => this.#running?.workers?.wakeFor(queue, 0);
    this.#inserts = new Inserts(
      this.#engine as unknown as Engine<never>,
      this.#engine.inOrder === true ? wake : undefined,
    );
    const host = this.#host(undefined);
    this.jobs = new JobsClient(host);
    this.timers = new TimersClient(host, this.jobs);
    this.schedules = new SchedulesClient(host);
    this.queues = new QueuesClient(host);
    this.tenants = new TenantsClient(host);
    this.events = new EventsClient(host);
  }

  /** Enqueues one job; the first call opens the engine. */
  enqueue<Input>(
    task: Task<Input, unknown> | string,
    input: NoInfer<Input>,
    options: EnqueueOptions = {},
  ): Promise<Enqueued> {
    return this.jobs.enqueue<Input>(task, input, options);
  }

  /** Enqueues several jobs of one tenant, all or none. */
  enqueueMany(items: readonly EnqueueItem[], shared: EnqueueOptions = {}): Promise<Enqueued[]> {
    return this.jobs.enqueueMany(items, shared);
  }

  /** Adds or replaces handlers, before or after start; the last one for a task wins. */
  handle(...handlers: readonly Handler[]): void {
    checkHandlers(handlers);
    this.#registry.add(handlers);
    this.#running?.workers?.refresh();
  }

  /** Adds schedule sources, before start. @throws InvalidInputError */
  addSources(...sources: readonly ScheduleSource[]): void {
    if (this.#running !== undefined || this.#starting !== undefined) {
      throw new InvalidInputError("sources must be added before start", { field: "sources" });
    }
    this.#sources = checkSources([...this.#sources, ...sources]);
  }

  /** Pauses every queue on every replica. */
  async pause(options: { readonly actor?: string } = {}): Promise<void> {
    refuseUnknown(options, ["actor"], "");
    await this.queues.pauseAll(true, options.actor);
  }

  async resume(options: { readonly actor?: string } = {}): Promise<void> {
    refuseUnknown(options, ["actor"], "");
    await this.queues.pauseAll(false, options.actor);
  }

  /** Counts by state, from counters: cheap however long the backlog. */
  stats(filter: { readonly tenant?: string; readonly queue?: string } = {}): Promise<Stats> {
    return this.queues.stats(filter);
  }

  /**
   * Why a job will run, did not run or ended as it did; why a schedule does not tick. In plain sentences, with the facts.
   * @throws NotFoundError when neither the store nor the audit log knows it
   */
  explain(request: ExplainRequest): Promise<Explanation> {
    return this.#explain(request, undefined);
  }

  async #explain(request: ExplainRequest, tenant: string | undefined): Promise<Explanation> {
    await this.#open();
    return explain(this.#engineOf(tenant), request, tenant, this.#zoneData);
  }

  /** The same API bound to one tenant. */
  tenant(id: string): TenantScheduler {
    const tenant = checkId(id, "tenant");
    const host = this.#host(tenant);
    const queues = new QueuesClient(host);
    return {
      ...clientsOf(host),
      events: new EventsClient(host),
      queues: { list: () => queues.list() },
      explain: (request) => this.#explain(request, host.tenant),
      stats: (filter = {}) => queues.stats(filter),
      limits: async () => readTenant(host, (await host.engine()).tenants, tenant),
    };
  }

  /** The same API inside the caller's open transaction; a type error on engines without them. */
  using(tx: Tx): TransactionScheduler {
    const { using, name } = this.#engine;
    if (using === undefined) {
      throw new TransactionsUnsupportedError(`the ${name} engine has no transactions to join`);
    }
    const bound = using.call(this.#engine, tx);
    const engine = async () => {
      await this.#open();
      return bound as unknown as Engine<never>;
    };
    return clientsOf({ ...this.#host(undefined), engine, inserts: undefined });
  }

  /** Listens to what this process does; the answer removes the listener. */
  on<Name extends keyof SchedulerEvents>(name: Name, listener: (event: SchedulerEvents[Name]) => void): () => void {
    if (!eventNames.includes(name)) {
      throw new InvalidInputError(`name must be of ${eventNames.join(", ")}, got ${shown(name)}`, { field: "name" });
    }
    if (typeof listener !== "function") {
      throw new InvalidInputError(`listener must be a function, got ${shown(listener)}`, { field: "listener" });
    }
    return this.#emitter.on(name, listener);
  }

  /**
   * Opens the engine and starts roles, all three by default.
   * @throws NoHandlerError when the worker role has nothing to run; EngineNotConfiguredError when the store lets this
   * process do nothing for all tenants
   */
  async start(options: { readonly roles?: readonly Role[] } = {}): Promise<void> {
    refuseUnknown(options, ["roles"], "");
    const roles = checkRoles(options.roles ?? ["worker", "ticker", "janitor"]);
    if (roles.has("worker") && this.#registry.size === 0) {
      throw new NoHandlerError(
        'the worker role has no handlers: pass handlers, or start({ roles: ["ticker", "janitor"] })',
      );
    }
    this.#starting ??= this.#start(roles).finally(() => {
      this.#starting = undefined;
    });
    await this.#starting;
  }

  async #start(roles: ReadonlySet<Role>): Promise<void> {
    await this.#stopping;
    if (this.#running !== undefined) return;
    this.#stopping = undefined;
    this.#stopped = false;
    this.#errors.start();
    await this.#open();
    this.#engine.checkRoles?.();
    const unwatch = await this.#engine.watch?.((signal) => this.#onSignal(signal));
    if (this.#stopping !== undefined) {
      await unwatch?.();
      throw new StoppedError("the scheduler was stopped while it was starting");
    }
    const running = this.#makeRoles(roles);
    try {
      running.workers?.start();
    } catch (error) {
      await unwatch?.();
      throw error;
    }
    this.#running = running;
    this.#unwatch = unwatch;
    running.ticker?.start();
    running.janitor?.start();
    for (const source of running.sources) source.start();
  }

  /**
   * Stops: claims nothing new, lets what runs finish until the deadline (30 s by default), then aborts and releases
   * the rest; closes the engine. May be started again.
   */
  stop(options: { readonly timeout?: Duration } = {}): Promise<void> {
    refuseUnknown(options, ["timeout"], "");
    const timeoutMs = parseDuration(options.timeout ?? defaults.drainMs, "timeout");
    this.#stopping ??= this.#stop(timeoutMs);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(timeoutMs: number): Promise<void> {
    // A store that hangs must not hang us: every wait below has an end (O2).
    const deadline = this.#clock.monotonic() + timeoutMs;
    const within = (work: Promise<unknown> | undefined) =>
      this.#within(work, Math.max(stopGraceMs, deadline - this.#clock.monotonic()));
    await within(this.#starting?.catch(() => {}));
    const running = this.#running;
    const sources = running?.sources.map((source) => source.stop()) ?? [];
    const others = Promise.all([running?.ticker?.stop(), running?.janitor?.stop(), ...sources]);
    await Promise.all([running?.workers?.stop(timeoutMs), within(others)]);
    await within(this.#inserts.idle());
    await within(this.#unwatch?.());
    this.#unwatch = undefined;
    this.#running = undefined;
    const opened = this.#opened;
    // Until here handlers that were draining could still enqueue.
    this.#stopped = true;
    this.#opened = undefined;
    this.#ready = undefined;
    const closed = opened?.then(
      () => this.#engine.close(),
      () => {},
    );
    await within(closed);
    this.#errors.stop();
  }

  async #within(work: Promise<unknown> | undefined, ms: number): Promise<void> {
    if (work === undefined) return;
    let cancel = () => {};
    const expired = new Promise<void>((resolve) => {
      cancel = this.#clock.after(ms, resolve);
    });
    await Promise.race([work, expired]).finally(() => cancel());
  }

  #open(): Promise<void> {
    if (this.#stopped) return Promise.reject(new StoppedError("the scheduler has been stopped"));
    if (this.#opened === undefined) {
      const opened = this.#engine.open().then(() => this.#refuseUnfinishedCopy());
      this.#opened = opened;
      // One that failed may be tried again by the next call.
      opened.catch(() => {
        if (this.#opened === opened) this.#opened = undefined;
      });
    }
    if (this.#ready === undefined) {
      const ready = this.#opened.then(() => this.#storeClock.read());
      this.#ready = ready;
      ready.catch(() => {
        if (this.#ready === ready) this.#ready = undefined;
      });
    }
    return this.#ready;
  }

  /** What is put into a store while it is being copied into would be overwritten. @throws CopyRefusedError */
  async #refuseUnfinishedCopy(): Promise<void> {
    const [mark] = await this.#engine.records.get([copyMarkKey]);
    if (mark === undefined) return;
    throw new CopyRefusedError("the store is the unfinished copy of another", {
      mend: "Finish it with punctual copy, then use it.",
    });
  }

  #makeRoles(roles: ReadonlySet<Role>): Running {
    const shared = {
      engine: this.#engine as unknown as Engine<never>,
      emitter: this.#emitter,
      clock: this.#clock,
      storeClock: this.#storeClock,
      random: this.#random,
      zoneData: this.#zoneData,
      patient: this.#engine.watch !== undefined && this.#engine.signalsAll === true && this.#clock.patient === true,
    };
    const { worker } = this.#options;
    return {
      ...(roles.has("worker")
        ? {
            workers: new Workers({
              ...shared,
              registry: this.#registry,
              name: worker?.name ?? `worker-${mintToken(this.#entropy())}`,
              concurrency: worker?.concurrency ?? defaults.concurrency,
              leaseMs: this.#leaseMs,
              queues: worker?.queues,
              entropy: this.#entropy,
              redact: this.#options.redact,
              stats: (filter) => this.stats(filter),
              enqueueFor: (tenant) => {
                const { enqueue } = clientsOf(this.#host(tenant));
                return (task, input, options) => enqueue(task, input, options);
              },
            }),
          }
        : {}),
      ...(roles.has("ticker") ? { ticker: new Ticker({ ...shared, guardrails: this.#guardrails }) } : {}),
      ...(roles.has("janitor") ? { janitor: new Janitor(shared) } : {}),
      sources: (roles.has("ticker") ? this.#sources : []).map(
        (source) => new SourceRunner({ source, host: this.#host(undefined), random: this.#random }),
      ),
    };
  }

  #onSignal(signal: Signal): void {
    const { workers, ticker } = this.#running ?? {};
    switch (signal.kind) {
      case "wake": {
        const inMs = this.#storeClock.untilMs(signal.dueAt);
        // What is due within the estimate's own error is due.
        workers?.wakeFor(signal.queue, inMs < 1 ? 0 : inMs);
        break;
      }
      case "tick":
        ticker?.wake(this.#storeClock.untilMs(signal.dueAt));
        break;
      case "cancel":
        workers?.cancel(signal.id);
        break;
      case "changed":
        workers?.wake(0);
        ticker?.wake(0);
    }
  }

  #host(tenant: string | undefined): ClientHost {
    return {
      engine: async () => {
        await this.#open();
        return this.#engineOf(tenant);
      },
      inserts: this.#inserts,
      emitter: this.#emitter,
      entropy: this.#entropy,
      now: () => this.#storeClock.now(),
      clock: this.#clock,
      knownTask: (name) => this.#registry.task(name),
      guardrails: this.#guardrails,
      payloadBytesMax: this.#payloadBytesMax,
      zoneData: this.#zoneData,
      tenant,
    };
  }

  /** The engine as a tenant's handle sees it, where the store makes a difference. */
  #engineOf(tenant: string | undefined): Engine<never> {
    const engine = this.#engine as unknown as Engine<never>;
    const own = tenant === undefined ? undefined : engine.ofTenant?.(tenant);
    return own === undefined ? engine : { ...engine, ...own };
  }

  #report(error: unknown): void {
    // A listener of worker:error that throws itself would come back here for ever.
    if (this.#reporting) return;
    this.#reporting = true;
    this.#emitter.emit("worker:error", { error, where: "listener" });
    this.#reporting = false;
  }
}

/**
 * Makes a scheduler over an engine. Nothing is opened yet: the first call, or `start`, does.
 * @throws InvalidInputError naming the option at fault
 */
export function createScheduler<Tx = never>(options: SchedulerOptions<Tx>): Scheduler<Tx> {
  return new Scheduler(options);
}
