// Copying whole stores between engines: equal contents wherever it is cut off, and the refusals that keep data whole.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine } from "../../src/core/engine.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type CopyProgress, copyStore, createScheduler } from "../../src/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";

const engines: Engine[] = [];

async function opened(engine: Engine): Promise<Engine> {
  engines.push(engine);
  await engine.open();
  return engine;
}

let now: number;
const clock = { now: () => now };
let source: Engine;
beforeEach(async () => {
  now = Date.now();
  source = await opened(sqlite(":memory:", { clock }));
  await fillStore(source, { jobs: 600, schedules: 40 }, async (ms) => {
    now += ms;
  });
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

/** The engine, whose writes fail once so many have been made. */
function cutAfter(engine: Engine, writes: number): Engine {
  let left = writes;
  const { read, counts, write } = engine.transfer;
  return {
    ...engine,
    transfer: {
      read,
      counts,
      write: async (request) => {
        if (left-- <= 0) throw new Error("killed");
        return write(request);
      },
    },
  };
}

const from = { source: "sqlite:source" };

describe("copyStore", () => {
  test("O6 sqlite to memory to sqlite gives an equal store, counts and digest included", async () => {
    const between = await opened(memory({ clock }));
    const target = await opened(sqlite(":memory:", { clock }));
    const first = await copyStore(source, between, from);
    const second = await copyStore(between, target, from);
    expect(second).toMatchObject({ counts: first.counts, digest: first.digest, removed: 0, resumed: false });
    expect(first.counts).toMatchObject({ job: 600, schedule: 41 });
    const lanes = async (engine: Engine) => (await engine.jobs.stats({})).map((lane) => JSON.stringify(lane)).sort();
    expect(await lanes(target)).toEqual(await lanes(source));
  });

  test("O6 a copy that was cut off anywhere goes on where it was", async () => {
    const whole = await copyStore(source, await opened(memory({ clock })), from);
    for (const writes of [0, 1, 2, 4, 7]) {
      const target = await opened(sqlite(":memory:", { clock }));
      await expect(copyStore(source, cutAfter(target, writes), from)).rejects.toThrow("killed");
      const result = await copyStore(source, target, from);
      expect(result).toMatchObject({ digest: whole.digest, counts: whole.counts, resumed: true });
      expect(result.written).toBeLessThanOrEqual(whole.written);
    }
  });

  test("O6 a cut copy follows a source that has changed since, also where something went", async () => {
    const target = await opened(memory({ clock }));
    await expect(copyStore(source, cutAfter(target, 4), from)).rejects.toThrow("killed");
    const { items } = await source.jobs.list({ states: ["pending"] }, { limit: 3, sort: "oldest" });
    await source.jobs.change(items.map(({ id }) => ({ name: { id }, change: { kind: "cancel" } })));
    await source.jobs.purge({ endedCountMax: 0, completedCountMax: 0, limit: 10_000 });
    const result = await copyStore(source, target, from);
    expect(result.removed).toBeGreaterThan(3);
    expect(await copyStore(source, target, from)).toMatchObject({ written: 0, removed: 0, digest: result.digest });
  });

  test.each(["memory", "sqlite"] as const)(
    "O6 a cut copy into %s follows a key that has gone from one job to another since",
    async (name) => {
      const target = await opened(name === "memory" ? memory({ clock }) : sqlite(":memory:", { clock }));
      const [first, second] = [newJob({ key: "moving" }), newJob({ key: "moving" })];
      const cancel = (id: string) => source.jobs.change([{ name: { id }, change: { kind: "cancel" } }]);
      await source.jobs.insert([{ jobs: [first] }]);
      await cancel(first.id);
      await source.jobs.insert([{ jobs: [second] }]);
      const { counts, read, write } = target.transfer;
      const unfinished: Engine = {
        ...target,
        transfer: {
          counts,
          read,
          // The copy is whole but for its mark.
          write: async (request) => {
            if (request.remove.some(({ kind }) => kind === "record")) throw new Error("killed");
            return write(request);
          },
        },
      };
      await expect(copyStore(source, unfinished, from)).rejects.toThrow("killed");
      await cancel(second.id);
      await source.jobs.change([{ name: { id: first.id }, change: { kind: "retry" } }]);
      const { digest } = await copyStore(source, target, from);
      expect(await copyStore(source, target, from)).toMatchObject({ digest, written: 0 });
      const [answer] = await target.jobs.insert([{ jobs: [newJob({ key: "moving" })] }]);
      expect(answer).toMatchObject({ jobs: [{ outcome: "existing", id: first.id }] });
    },
  );

  test("O6 of two copies into one target the older ends, and what comes after the newer's end is left alone", async () => {
    const target = await opened(memory({ clock }));
    const { counts, read, write } = target.transfer;
    let writes = 0;
    let kept = "";
    const slow: Engine = {
      ...target,
      transfer: {
        counts,
        read,
        write: async (request) => {
          if (++writes === 3) {
            await copyStore(source, target, from);
            const job = newJob();
            kept = job.id;
            await target.jobs.insert([{ jobs: [job] }]);
          }
          return write(request);
        },
      },
    };
    await expect(copyStore(source, slow, from)).rejects.toMatchObject({ code: "COPY_REFUSED" });
    expect(await target.jobs.get(kept)).toMatchObject({ state: "pending" });
  });

  test("O6 a store that is an unfinished copy is not to be used yet", async () => {
    const target = await opened(memory({ clock }));
    await expect(copyStore(source, cutAfter(target, 2), from)).rejects.toThrow("killed");
    const scheduler = createScheduler({ engine: target });
    await expect(scheduler.enqueue("mail", 1)).rejects.toMatchObject({ code: "COPY_REFUSED" });
    await copyStore(source, target, from);
    expect(await scheduler.enqueue("mail", 1)).toMatchObject({ outcome: "created" });
    await scheduler.stop();
  });

  test("O6 a finished copy that is copied again is found equal and left alone", async () => {
    const target = await opened(memory({ clock }));
    const { digest, written } = await copyStore(source, target, from);
    expect(written).toBeGreaterThan(600);
    expect(await copyStore(source, target, from)).toMatchObject({ digest, written: 0, removed: 0 });
  });

  test("O6 a source that is not paused is refused", async () => {
    await source.queues.put([{ name: "*", paused: false }]);
    const target = await opened(memory({ clock }));
    await expect(copyStore(source, target, from)).rejects.toMatchObject({
      code: "COPY_REFUSED",
      mend: expect.stringContaining("pause --all"),
    });
    expect((await target.transfer.counts()).record).toBe(0);
  });

  test("O6 a source with running jobs is refused, and says how many", async () => {
    await source.queues.put([{ name: "*", paused: false }]);
    const wants = [{ queue: "reports", limit: 2 }];
    const claim = { claimId: "1".repeat(16), worker: "w", leaseMs: 60_000, limit: 2, starts: 2, bytesMax: 1_000_000 };
    expect((await source.jobs.claim({ ...claim, wants })).jobs).toHaveLength(2);
    await source.queues.put([{ name: "*", paused: true }]);
    await expect(copyStore(source, await opened(memory({ clock })), from)).rejects.toMatchObject({
      code: "COPY_REFUSED",
      message: "2 jobs of the source are running",
      details: { running: 2 },
    });
  });

  test("O6 a target that holds something else is refused and left as it was", async () => {
    const target = await opened(memory({ clock }));
    await target.queues.put([{ name: "mine", paused: true }]);
    await expect(copyStore(source, target, from)).rejects.toMatchObject({ code: "COPY_REFUSED" });
    expect(await target.transfer.counts()).toMatchObject({ queue: 1, job: 0, record: 0 });
  });

  test("O6 the unfinished copy of one store is no target for another, and no source", async () => {
    const target = await opened(memory({ clock }));
    await expect(copyStore(source, cutAfter(target, 3), from)).rejects.toThrow("killed");
    await expect(copyStore(source, target, { source: "sqlite:other" })).rejects.toMatchObject({
      code: "COPY_REFUSED",
      message: "the target is the unfinished copy of sqlite:source",
    });
    await expect(copyStore(target, await opened(memory({ clock })), from)).rejects.toMatchObject({
      code: "COPY_REFUSED",
      message: expect.stringContaining("the source is itself the unfinished copy"),
    });
  });

  test("O6 a source that never rests is given up on", async () => {
    let added = 0;
    const restless: Engine = {
      ...source,
      transfer: {
        ...source.transfer,
        read: async (request) => {
          if (request.cursor === undefined) {
            await source.records.put([{ key: `new-${added++}`, value: "1", expected: "absent" }]);
          }
          return source.transfer.read(request);
        },
      },
    };
    await expect(copyStore(restless, await opened(memory({ clock })), from)).rejects.toMatchObject({
      code: "COPY_REFUSED",
      message: expect.stringContaining("changed again and again"),
    });
  });

  test("O6 progress tells stages, kinds and counts that grow", async () => {
    const seen: CopyProgress[] = [];
    await copyStore(source, await opened(memory({ clock })), {
      ...from,
      onProgress: (progress) => seen.push(progress),
    });
    expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(["copying", "verifying"]);
    const done = seen.filter(({ stage }) => stage === "copying").map((progress) => progress.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(seen[0]?.expected);
  });
});
