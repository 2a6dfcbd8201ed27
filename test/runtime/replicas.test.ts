// J1, J2, S2 with several processes' schedulers on one SQLite file, under faults drawn from a seed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type Engine, every, handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { type Fault, lostAnswer, notWritten } from "./faulty.ts";
import { rigOn, secondMs, unhandledRejections } from "./rig.ts";

const work = task<number>("work", { retry: { attempts: 20, backoff: { type: "fixed", delay: "500ms" } } });

/** A small seeded generator (mulberry32): numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function enginesOn(name: "memory" | "sqlite", clock: VirtualClock): () => Engine {
  if (name === "memory") {
    const engine = memory({ clock });
    return () => engine;
  }
  const folder = mkdtempSync(join(tmpdir(), "punctual-replicas-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return () => sqlite(join(folder, "jobs.db"), { clock }) as unknown as Engine;
}

describe.each(["memory", "sqlite"] as const)("replicas on %s", (name) => {
  test.each([1, 2, 3, 4])(
    "J1 J2 S2 every job ends, every tick makes one job, no two attempts overlap (seed %d)",
    async (seed) => {
      const random = seeded(seed);
      const unhandled = unhandledRejections();
      const clock = new VirtualClock();
      const engine = enginesOn(name, clock);
      const running = new Map<string, AbortSignal>();
      const overlaps: string[] = [];
      const ticks = new Map<number, Set<string>>();
      const handler = handle(work, async (_, { job, signal, tick }) => {
        const other = running.get(job.id);
        if (other !== undefined && !other.aborted) overlaps.push(job.id);
        running.set(job.id, signal);
        if (tick !== undefined) ticks.set(tick.at.getTime(), (ticks.get(tick.at.getTime()) ?? new Set()).add(job.id));
        await new Promise<void>((resolve) => clock.after(Math.floor(random() * 400), resolve));
        if (running.get(job.id) === signal) running.delete(job.id);
        if (random() < 0.1) throw new Error("bad luck");
      });
      const unlucky: Fault = (call) => {
        const luck = random();
        return luck < 0.05 ? notWritten(call) : luck < 0.1 ? lostAnswer(call) : call();
      };
      const replicas = [1, 2, 3].map((n) =>
        rigOn(engine(), clock, { handlers: [handler], worker: { name: `w-${n}` } }),
      );
      for (const { faulty, scheduler } of replicas) {
        await scheduler.stats();
        faulty.away(unlucky);
      }
      await Promise.all(
        replicas.map(({ scheduler }) =>
          scheduler
            .start()
            .catch(() => scheduler.start())
            .catch(() => scheduler.start()),
        ),
      );
      const [first, second] = replicas;
      first?.faulty.back();
      await first?.scheduler.schedules.create("s", {
        task: work,
        input: 0,
        when: every("2s"),
        overlap: "allow",
        catchUp: "all",
      });
      first?.faulty.away(unlucky);
      let accepted = 0;
      for (let round = 0; round < 60; round++) {
        const calls = Array.from({ length: 4 }, (_, n) => second?.scheduler.enqueue(work, n));
        const settled = Promise.allSettled(calls);
        await clock.advance(2 * secondMs);
        accepted += (await settled).filter(({ status }) => status === "fulfilled").length;
      }
      for (const { faulty } of replicas) faulty.back();
      await clock.advance(60 * secondMs);
      await first?.scheduler.schedules.remove("s");
      await clock.advance(60 * secondMs);
      const stats = await first?.scheduler.stats();
      expect(stats).toMatchObject({ waiting: 0, delayed: 0, active: 0, failed: 0 });
      expect(overlaps).toEqual([]);
      expect([...ticks.values()].filter((jobs) => jobs.size !== 1)).toEqual([]);
      expect(ticks.size).toBe(90);
      expect(stats?.totals.completed).toBeGreaterThanOrEqual(accepted + ticks.size);
      expect(stats?.totals.completed).toBeLessThanOrEqual(240 + ticks.size);
      expect(unhandled).toEqual([]);
      await Promise.all(replicas.map(({ stop }) => stop()));
    },
    60_000,
  );
});
