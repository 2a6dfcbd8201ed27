// Runs a source while the ticker role does: reconciles now and then, follows its feed, opens a feed that ended again.
import { defaults } from "../core/defaults.ts";
import { StoppedError } from "../core/errors.ts";
import type { ClientHost } from "./client-host.ts";
import { backoffMs, sleep } from "./clock.ts";
import { Loop } from "./loop.ts";
import type { ScheduleSource } from "./schedule-source.ts";
import { SourceReconciler } from "./source-reconciler.ts";
import { awaited, each, type Patience } from "./source-records.ts";
import { SourceReports } from "./source-reports.ts";

export interface SourceRunnerOptions {
  readonly source: ScheduleSource;
  readonly host: ClientHost;
  readonly random: () => number;
}

export class SourceRunner {
  readonly #options: SourceRunnerOptions;
  readonly #stopping = new AbortController();
  readonly #reports: SourceReports;
  readonly #reconciler: SourceReconciler;
  readonly #loop: Loop;
  #following: Promise<void> = Promise.resolve();

  constructor(options: SourceRunnerOptions) {
    const { source, host, random } = options;
    this.#options = options;
    this.#reports = new SourceReports(source.name, host.emitter);
    this.#reconciler = new SourceReconciler(source, host, this.#reports, this.#stopping.signal);
    this.#loop = new Loop({
      clock: host.clock,
      turn: async () => {
        await this.#reconciler.reconcile();
        // Replicas that started together do not load together for ever.
        return source.reconcileMs * (0.9 + 0.2 * random());
      },
      horizonMs: Number.POSITIVE_INFINITY,
      onError: (error) => this.#tell(error),
      random,
    });
  }

  start(): void {
    // The feed first: what changes while everything is loaded is heard.
    this.#following = this.#follow();
    this.#loop.start();
  }

  /** Ends at once, whatever the source's calls wait for; a step that the store is busy with is waited for. */
  async stop(): Promise<void> {
    this.#stopping.abort(new StoppedError("the scheduler was stopped"));
    await Promise.all([this.#loop.stop(), this.#following]);
  }

  async #follow(): Promise<void> {
    const { source, host, random } = this.#options;
    const { signal } = this.#stopping;
    if (source.changes === undefined) return;
    for (let failures = 0; !signal.aborted; ) {
      const openedAt = host.clock.monotonic();
      try {
        await this.#read();
        this.#tell(new Error(`source ${source.name}: the feed of changes ended; it is opened again`));
      } catch (error) {
        this.#tell(error);
      }
      const lasted = host.clock.monotonic() - openedAt >= defaults.backoffMsMax;
      failures = lasted ? 0 : failures;
      await sleep(host.clock, backoffMs(failures++, random()), signal);
    }
  }

  /** Reads one opening of the feed to its end. */
  async #read(): Promise<void> {
    const { source, host } = this.#options;
    const { signal } = this.#stopping;
    const patience: Patience = { clock: host.clock, signal };
    const opening = { ...patience, limitMs: defaults.sourceAnswerMsMax };
    const feed = await awaited(source.changes?.({ signal }), "changes", opening);
    const changes = each(feed, "changes", patience);
    let next = changes.next();
    // Nobody knows what was said before it was open.
    this.#loop.wake(0);
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      await this.#apply(value);
      next = changes.next();
    }
  }

  async #apply(change: unknown): Promise<void> {
    try {
      if (await this.#reconciler.apply(change)) return;
    } catch (error) {
      this.#tell(error);
    }
    // What could not be applied by itself is found by a load; many that come together by one.
    this.#loop.wake(defaults.sourcePauseMs);
  }

  #tell(error: unknown): void {
    if (!this.#stopping.signal.aborted) this.#reports.tell(error);
  }
}
