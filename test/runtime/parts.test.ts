// The parts loops are made of: loop, batcher, the estimate of the store's clock, emitter, the machine's clock.
import { afterEach, describe, expect, test, vi } from "vitest";
import { InvalidInputError, NotWrittenError } from "../../src/index.ts";
import { Batcher } from "../../src/runtime/batcher.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { Emitter } from "../../src/runtime/emitter.ts";
import { Loop } from "../../src/runtime/loop.ts";
import { StoreClock } from "../../src/runtime/store-clock.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { dayMs, gate, hourMs, minuteMs, secondMs } from "./rig.ts";

describe("loop", () => {
  function loopOf(turn: (at: number) => Promise<number>, random = 0) {
    const clock = new VirtualClock();
    const turns: number[] = [];
    const errors: unknown[] = [];
    const loop = new Loop({
      clock,
      turn: async () => {
        turns.push(clock.monotonic());
        return await turn(clock.monotonic());
      },
      horizonMs: secondMs,
      onError: (error) => errors.push(error),
      random: () => random,
    });
    return { clock, turns, errors, loop };
  }

  test("S11 a loop sleeps exactly as long as its turn says, never beyond the horizon", async () => {
    const sleeps = [10, 250, 5_000, 1];
    const { clock, turns, loop } = loopOf(async () => sleeps.shift() ?? 5_000);
    loop.start();
    await clock.advance(2_500);
    expect(turns).toEqual([0, 10, 260, 1_260, 1_261, 2_261]);
    await loop.stop();
  });

  test("T6 a wake shortens a sleep, a later one does not lengthen it", async () => {
    const { clock, turns, loop } = loopOf(async () => 1_000);
    loop.start();
    await clock.advance(100);
    loop.wake(200);
    loop.wake(700);
    await clock.advance(1_000);
    expect(turns).toEqual([0, 300]);
    await loop.stop();
  });

  test("T6 a wake during a turn is not lost", async () => {
    const held = gate();
    const { clock, turns, loop } = loopOf(async (at) => {
      if (at === 0) await held.promise;
      return 1_000;
    });
    loop.start();
    await clock.settle();
    loop.wake(0);
    held.open();
    await clock.advance(10);
    expect(turns).toEqual([0, 0]);
    await loop.stop();
  });

  test("O1 turns that fail are 1, 2, 4 ... 30 s apart, and one that succeeds begins anew", async () => {
    let away = true;
    const { clock, turns, errors, loop } = loopOf(async () => {
      if (away) throw new Error("away");
      return 1_000;
    });
    loop.start();
    await clock.advance(92 * secondMs);
    expect(turns.map((at) => at / secondMs)).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
    expect([errors.length, loop.failing]).toEqual([8, true]);
    away = false;
    await clock.advance(30 * secondMs);
    expect(loop.failing).toBe(false);
    away = true;
    await clock.advance(2 * secondMs);
    const last = turns.slice(-2);
    expect((last[1] ?? 0) - (last[0] ?? 0)).toBe(secondMs);
    await loop.stop();
  });

  test("O1 the back-off is cut by up to a quarter", async () => {
    const { clock, turns, loop } = loopOf(() => Promise.reject(new Error("away")), 0.999_999);
    loop.start();
    await clock.advance(10 * secondMs);
    expect(turns[1]).toBeGreaterThanOrEqual(750);
    expect(turns[1]).toBeLessThanOrEqual(751);
    await loop.stop();
  });

  test("J9 stop waits for the turn in progress and nothing follows", async () => {
    const held = gate();
    const { clock, turns, loop } = loopOf(async () => {
      await held.promise;
      return 0;
    });
    loop.start();
    await clock.settle();
    let stopped = false;
    const stopping = loop.stop().then(() => {
      stopped = true;
    });
    await clock.settle();
    expect(stopped).toBe(false);
    held.open();
    await stopping;
    loop.wake(0);
    await clock.advance(5 * secondMs);
    expect(turns).toEqual([0]);
  });
});

describe("batcher", () => {
  function batcherOf(send: (items: readonly number[]) => Promise<readonly string[]>, max = 200) {
    const sent: (readonly number[])[] = [];
    const batcher = new Batcher<number, string>({
      max,
      send: async (items) => {
        sent.push(items);
        return await send(items);
      },
    });
    return { batcher, sent };
  }
  const echo = async (items: readonly number[]) => items.map(String);

  test("J15 a call alone is sent at once", async () => {
    const { batcher, sent } = batcherOf(echo);
    expect(await batcher.add(7)).toBe("7");
    expect(sent).toEqual([[7]]);
    await batcher.idle();
    expect(batcher.busy).toBe(false);
  });

  test("J15 calls of one turn travel together, those made meanwhile with the next", async () => {
    const held = gate();
    const { batcher, sent } = batcherOf(async (items) => {
      await held.promise;
      return await echo(items);
    });
    const first = [batcher.add(1), batcher.add(2)];
    await Promise.resolve();
    await Promise.resolve();
    const second = [3, 4, 5].map((item) => batcher.add(item));
    held.open();
    expect(await Promise.all([...first, ...second])).toEqual(["1", "2", "3", "4", "5"]);
    expect(sent).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
  });

  test("J15 no batch is larger than its limit", async () => {
    const { batcher, sent } = batcherOf(echo, 3);
    await Promise.all([1, 2, 3, 4, 5, 6, 7].map((item) => batcher.add(item)));
    expect(sent.map(({ length }) => length)).toEqual([3, 3, 1]);
  });

  test("J15 one bad item never fails its neighbours", async () => {
    const { batcher } = batcherOf(async (items) => {
      if (items.includes(3)) throw new InvalidInputError("three is bad", { field: "item" });
      return await echo(items);
    });
    const settled = await Promise.allSettled([1, 2, 3, 4, 5].map((item) => batcher.add(item)));
    expect(settled.map((one) => (one.status === "fulfilled" ? one.value : "refused"))).toEqual([
      "1",
      "2",
      "refused",
      "4",
      "5",
    ]);
  });

  test("J15 a store that is away fails the whole batch, and is not asked again item by item", async () => {
    const { batcher, sent } = batcherOf(() => Promise.reject(new NotWrittenError("away")));
    const settled = await Promise.allSettled([1, 2, 3, 4].map((item) => batcher.add(item)));
    expect(settled.map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
    expect(sent).toHaveLength(1);
  });

  test("J15 a batcher whose batch failed goes on with the next", async () => {
    let away = true;
    const { batcher } = batcherOf((items) => (away ? Promise.reject(new NotWrittenError("away")) : echo(items)));
    await expect(batcher.add(1)).rejects.toThrow("away");
    away = false;
    expect(await batcher.add(2)).toBe("2");
    await batcher.idle();
  });
});

describe("the store's clock, estimated", () => {
  function estimate(storeAheadMs: number) {
    const clock = new VirtualClock();
    let reads = 0;
    const store = new StoreClock(clock, async () => {
      reads++;
      return clock.now() + storeAheadMs;
    });
    return { clock, store, reads: () => reads };
  }

  test.each([-hourMs, 0, hourMs])(
    "S2 a wall clock that is %d ms off does not matter once the store was read",
    async (ms) => {
      const { clock, store } = estimate(ms);
      await store.read();
      expect(store.now()).toBe(clock.now() + ms);
      expect(store.untilMs(clock.now() + ms + 70)).toBe(70);
    },
  );

  test.each([-hourMs, hourMs])(
    "S2 a wall clock that jumps by %d ms moves nothing, and the store is read again",
    async (ms) => {
      const { clock, store, reads } = estimate(0);
      await store.read();
      clock.jumpWall(ms);
      expect(store.now()).toBe(clock.now());
      await clock.settle();
      expect(reads()).toBe(2);
      expect(store.now()).toBe(clock.now());
      await clock.settle();
      expect(reads()).toBe(2);
    },
  );

  test("S2 the store is read again every minute, and a read that fails keeps the estimate", async () => {
    const clock = new VirtualClock();
    let reads = 0;
    const store = new StoreClock(clock, async () => {
      if (++reads > 1) throw new NotWrittenError("away");
      return clock.now() + 5;
    });
    await store.read();
    await clock.advance(minuteMs + 1);
    for (let n = 0; n < 20; n++) {
      store.now();
      await clock.settle();
    }
    expect(store.now()).toBe(clock.now() + 5);
    expect(reads).toBe(2);
  });

  test("O1 a jump while the store is away does not ask it at every glance", async () => {
    const clock = new VirtualClock();
    let reads = 0;
    const store = new StoreClock(clock, async () => {
      if (++reads > 1) throw new NotWrittenError("away");
      return clock.now();
    });
    await store.read();
    clock.jumpWall(hourMs);
    for (let n = 0; n < 50; n++) {
      store.now();
      await clock.settle();
    }
    expect(reads).toBeLessThan(5);
  });

  test("S2 the middle of the round trip counts", async () => {
    const clock = new VirtualClock();
    const store = new StoreClock(clock, async () => {
      const now = clock.now();
      await new Promise<void>((resolve) => clock.after(100, resolve));
      return now;
    });
    const read = store.read();
    await clock.advance(100);
    await read;
    expect(store.now()).toBe(clock.now() - 50);
  });
});

describe("emitter", () => {
  test("O1 a listener that throws does not keep the others from hearing", () => {
    const errors: unknown[] = [];
    const emitter = new Emitter<{ rang: number }>((error) => errors.push(error));
    const heard: number[] = [];
    emitter.on("rang", () => {
      throw new Error("no");
    });
    const remove = emitter.on("rang", (n) => heard.push(n));
    expect(emitter.wants("rang")).toBe(true);
    emitter.emit("rang", 1);
    remove();
    emitter.emit("rang", 2);
    expect([heard, errors.length]).toEqual([[1], 2]);
  });
});

describe("the machine's clock", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("J8 a wait longer than a timer takes (24.8 days) is not cut short", () => {
    vi.useFakeTimers();
    let called = false;
    systemClock.after(30 * dayMs, () => {
      called = true;
    });
    vi.advanceTimersByTime(29 * dayMs);
    expect(called).toBe(false);
    vi.advanceTimersByTime(dayMs);
    expect(called).toBe(true);
  });

  test("J8 a long wait can be cancelled at any time", () => {
    vi.useFakeTimers();
    let called = false;
    const cancel = systemClock.after(60 * dayMs, () => {
      called = true;
    });
    vi.advanceTimersByTime(40 * dayMs);
    cancel();
    vi.advanceTimersByTime(40 * dayMs);
    expect(called).toBe(false);
  });
});
