// Signals: a watcher is told after the commit what may have become due; one that only polls misses nothing either.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import { everyQueue } from "../../core/queue.ts";
import { once } from "../../core/rule.ts";
import type { Signal } from "../../core/signal.ts";
import {
  claimRequest,
  completion,
  hourMs,
  leaseMs,
  minuteMs,
  newJob,
  queue,
  release,
  retrying,
  tenant,
} from "./builders.ts";
import { activeJob, changeJob, claim, claimJob, createSchedule, fire, insertJob, settleJob } from "./calls.ts";
import { type Chapter, type Fact, fact, type Harness, start } from "./harness.ts";

/** What a watcher has heard, and a way to wait for the next thing. */
class Watcher {
  readonly heard: Signal[] = [];
  #onSignal: () => void = () => {};

  hear(signal: Signal): void {
    this.heard.push(signal);
    this.#onSignal();
  }

  forget(): void {
    this.heard.length = 0;
  }

  /** Resolves once a signal passes, or `changed` says to look at everything; a second of real time is the bound. */
  async until(passes: (signal: Signal) => boolean): Promise<void> {
    const arrived = () => this.heard.some((signal) => signal.kind === "changed" || passes(signal));
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no such signal; heard ${JSON.stringify(this.heard)}`)), 1_000);
      this.#onSignal = () => {
        if (!arrived()) return;
        clearTimeout(late);
        resolve();
      };
      this.#onSignal();
    });
  }

  /** Resolves when what was done before has had its time to be heard: a marker that is done after it is. */
  async settled(engine: Engine): Promise<void> {
    await insertJob(engine, { queue: "marker" });
    await this.until((signal) => signal.kind === "wake" && signal.queue === "marker");
  }

  wakes(name = queue): Signal[] {
    return this.heard.filter((signal) => signal.kind === "wake" && signal.queue === name);
  }
}

/** A fact about what a watcher of the primary handle hears; engines without `watch` are polled, and promise no push. */
function watching(title: string, run: (harness: Harness, watcher: Watcher) => Promise<void>): Fact {
  return fact(title, async (harness) => {
    if (harness.engine.watch === undefined) return assert.equal(harness.engine.capabilities.push, false);
    const watcher = new Watcher();
    const unwatch = await harness.engine.watch((signal) => watcher.hear(signal));
    try {
      await run(harness, watcher);
    } finally {
      await unwatch();
    }
  });
}

function wakeOf(name: string, dueAt: number): (signal: Signal) => boolean {
  return (signal) => signal.kind === "wake" && signal.queue === name && signal.dueAt <= dueAt;
}

export const signals: Chapter = {
  title: "signals",
  facts: [
    watching("T6 a due job wakes a watcher, which then finds it", async ({ engine, other }, watcher) => {
      const { id } = await insertJob(other);
      await watcher.until(wakeOf(queue, start));
      assert.equal((await claimJob(engine)).id, id);
    }),

    watching("T6 a due job inserted by the same handle wakes its own watcher", async ({ engine }, watcher) => {
      await engine.jobs.insert([{ jobs: [newJob()] }]);
      await watcher.until(wakeOf(queue, start));
    }),

    watching("T6 a wake carries the due time", async ({ other }, watcher) => {
      await insertJob(other, { due: { afterMs: 700 } });
      await watcher.until((signal) => signal.kind === "wake" && signal.queue === queue && signal.dueAt === start + 700);
    }),

    watching("T6 a job due in an hour wakes nobody", async ({ other }, watcher) => {
      await insertJob(other, { due: { afterMs: hourMs } });
      await watcher.settled(other);
      assert.deepEqual(watcher.wakes(), []);
    }),

    watching("T6 a conflict wakes nobody", async ({ engine, other }, watcher) => {
      const [current, job] = [await insertJob(engine, { key: "k" }), newJob({ key: "k" })];
      await watcher.settled(other);
      watcher.forget();
      assert.equal((await insertJob(other, job)).id, current.id);
      await other.jobs.insert([{ jobs: [newJob({ key: "k", onConflict: "error" })] }]);
      await watcher.settled(other);
      assert.deepEqual(watcher.wakes(), []);
    }),

    watching("T6 a successor wakes nobody before its turn, and a watcher then", async ({ engine, other }, watcher) => {
      const current = await activeJob(engine, { key: "k" });
      await watcher.settled(other);
      watcher.forget();
      await insertJob(other, { key: "k", onConflict: "replace" });
      await watcher.settled(other);
      assert.deepEqual(watcher.wakes(), []);
      watcher.forget();
      await settleJob(other, completion(current));
      await watcher.until(wakeOf(queue, start));
    }),

    watching("T6 a released job wakes a watcher", async ({ engine, other }, watcher) => {
      const job = await activeJob(engine);
      watcher.forget();
      await settleJob(other, release(job));
      await watcher.until(wakeOf(queue, start));
    }),

    watching(
      "T6 a job that is moved, replaced or revived to now wakes a watcher",
      async ({ engine, other }, watcher) => {
        const { id } = await insertJob(engine, { key: "k", due: { afterMs: hourMs } });
        await changeJob(other, { id }, { kind: "reschedule", due: { afterMs: 0 } });
        await watcher.until(wakeOf(queue, start));
        await changeJob(other, { id }, { kind: "cancel" });
        await watcher.settled(other);
        watcher.forget();
        await changeJob(other, { id }, { kind: "retry" });
        await watcher.until(wakeOf(queue, start));
      },
    ),

    watching("T6 a fired tick wakes a watcher of its queue", async ({ other, clock }, watcher) => {
      await createSchedule(other);
      await watcher.settled(other);
      watcher.forget();
      clock.advance(minuteMs);
      await fire(other);
      await watcher.until(wakeOf(queue, clock.now()));
    }),

    watching("T6 a resumed queue is looked at again", async ({ engine, other }, watcher) => {
      await engine.queues.put([{ name: everyQueue, paused: true }]);
      await insertJob(engine);
      await watcher.settled(other);
      watcher.forget();
      await other.queues.put([{ name: everyQueue, paused: false }]);
      await watcher.until((signal) => signal.kind === "wake");
      assert.equal((await claim(engine)).length, 1);
    }),

    watching("J8 the cancellation of an active job is signalled", async ({ engine, other }, watcher) => {
      const job = await activeJob(engine);
      watcher.forget();
      await changeJob(other, { id: job.id }, { kind: "cancel" });
      await watcher.until((signal) => signal.kind === "cancel" && signal.id === job.id);
    }),

    watching("S11 a schedule whose tick is near is signalled", async ({ other }, watcher) => {
      await createSchedule(other, { rule: once(new Date(start + 500)) });
      await watcher.until((signal) => signal.kind === "tick" && signal.dueAt === start + 500);
    }),

    watching("T6 a watcher that has left hears nothing more", async ({ engine, other }, watcher) => {
      const gone = new Watcher();
      const leave = await engine.watch?.((signal) => gone.hear(signal));
      await leave?.();
      gone.forget();
      await insertJob(other);
      await watcher.settled(other);
      assert.deepEqual(gone.heard, []);
    }),

    fact("T6 polling alone finds everything that signals tell of", async ({ engine, other, clock }) => {
      await insertJob(other, { due: { afterMs: minuteMs } });
      const { nextDueAt } = await engine.jobs.claim(claimRequest());
      assert.equal(nextDueAt, start + minuteMs);
      clock.advance(minuteMs);
      assert.equal((await claimJob(engine)).tenant, tenant);
    }),

    watching(
      "T6 a tenant's rate that is lifted wakes those who wait for a lease of it to end",
      async ({ engine, other, clock }, watcher) => {
        await other.tenants.put([{ id: tenant, rate: { count: 1, periodMs: hourMs } }]);
        await activeJob(engine);
        clock.advance(leaseMs);
        assert.deepEqual(await claim(engine), []);
        await watcher.settled(other);
        watcher.forget();
        await other.tenants.put([{ id: tenant, rate: null }]);
        await watcher.until(wakeOf(queue, clock.now()));
        assert.equal((await claimJob(engine)).recovered, true);
      },
    ),

    ...[
      { how: "waits for another attempt", settlement: retrying },
      { how: "is given back for later", settlement: release },
    ].map(({ how, settlement }) =>
      watching(
        `T6 a limited queue's place wakes a watcher when the job that had it ${how}`,
        async ({ engine, other }, watcher) => {
          await other.queues.put([{ name: queue, concurrency: 1 }]);
          const job = await activeJob(engine);
          await insertJob(other);
          await watcher.settled(other);
          watcher.forget();
          await settleJob(other, settlement(job, { due: { afterMs: hourMs } }));
          await watcher.until(wakeOf(queue, start));
          assert.notEqual((await claimJob(engine)).id, job.id);
        },
      ),
    ),

    watching(
      "T6 a tenant's place that becomes free in one queue wakes those who wait for it in another",
      async ({ engine, other }, watcher) => {
        await other.tenants.put([{ id: tenant, concurrency: 1 }]);
        const job = await activeJob(engine);
        await insertJob(other, { queue: "other" });
        await claim(engine, { wants: [{ queue: "other", limit: 1 }] });
        await watcher.settled(other);
        watcher.forget();
        await settleJob(other, completion(job));
        await watcher.until(wakeOf("other", start));
      },
    ),
  ],
};
