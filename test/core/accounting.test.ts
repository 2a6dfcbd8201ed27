// S4: whatever happens to a schedule, each tick of its rule is told once: fired, skipped with its reason, or held.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { StoredEvent } from "../../src/core/events.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { decideBackfill, decideTrigger } from "../../src/core/operations.ts";
import { cron, every, everyCalendar, except, type Rule, union } from "../../src/core/rule.ts";
import { hasReachedMax, nextTickOfRule, type Schedule, type ScheduleDefinition } from "../../src/core/schedule.ts";
import type { Decide } from "../../src/core/step.ts";
import { memory } from "../../src/engines/memory/index.ts";
import {
  completion,
  definition,
  failure,
  retrying,
  schedulePut,
  tenant,
  token,
} from "../../src/testing/conformance/builders.ts";
import { claim } from "../../src/testing/conformance/calls.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { Accounting, toldBy } from "./accounting-model.ts";

const ref = { tenant, id: "report" };
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Two hours before the clocks of Paris go forward. */
const begin = Date.UTC(2030, 2, 30, 23);

const rules: readonly Rule[] = [
  every("1m", { anchor: new Date(begin) }),
  every("7m"),
  cron("*/5 * * * *", { timezone: "Europe/Paris" }),
  cron("H * * * *", { timezone: "Europe/Paris" }),
  everyCalendar({ days: 1 }, { anchor: new Date(begin - hourMs), timezone: "Europe/Paris" }),
  union(every("10m"), cron("*/15 * * * *", { timezone: "UTC" })),
  except(cron("*/20 * * * *", { timezone: "Europe/Paris" }), [cron("0 * * * *", { timezone: "Europe/Paris" })]),
];

const changes: fc.Arbitrary<Partial<ScheduleDefinition>> = fc.oneof(
  fc.record({ rule: fc.constantFrom(...rules) }),
  fc.record({ overlap: fc.constantFrom("allow", "skip", "queue", "replace") }),
  fc.record({
    catchUp: fc.record({
      policy: fc.constantFrom("skip", "latest", "all"),
      windowMs: fc.constantFrom(undefined, 0, 10 * minuteMs, 3 * hourMs),
      limit: fc.constantFrom(1, 4, 1_000),
    }),
  }),
  fc.record({ maxTicks: fc.constantFrom(undefined, 1, 3, 20) }),
  fc.record({ endAt: fc.constantFrom(undefined, begin + 5 * hourMs, begin + 50 * hourMs) }),
  fc.record({ startAt: fc.constantFrom(undefined, begin + 2 * hourMs) }),
  fc.record({ pauseOnFailure: fc.constantFrom(undefined, 1, 2) }),
  fc.record({ jitterMs: fc.constantFrom(0, 90_000) }),
);

/** What happens next. */
type Happening =
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "fire"; readonly room: number | undefined }
  | { readonly kind: "change"; readonly change: Partial<ScheduleDefinition> }
  | { readonly kind: "tick" | "switch" | "remove" | "trigger" | "backfill" | "cancel" }
  | { readonly kind: "settle"; readonly how: "complete" | "fail" | "retry" };

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 4_000, minuteMs, minuteMs, 7 * minuteMs, 7 * minuteMs, hourMs, 9 * hourMs, 49 * hourMs),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("fire" as const),
      room: fc.constantFrom(undefined, undefined, undefined, 0, 1, 3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("settle" as const), how: fc.constantFrom("complete", "fail", "retry") }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("change" as const), change: changes }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("switch", "switch", "trigger", "backfill", "cancel", "remove") }),
  },
);

class Life {
  readonly clock = new TestClock();
  readonly engine: Engine = memory({ clock: this.clock });
  readonly accounting = new Accounting(ref);
  #operations = 0;

  async stored(): Promise<Schedule> {
    const schedule = await this.engine.schedules.get(ref);
    if (schedule === undefined) throw new Error("the schedule is there");
    return schedule;
  }

  async told() {
    const events: StoredEvent[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.engine.events.list({}, { limit: 1_000, cursor, order: "oldest" });
      events.push(...page.items);
      cursor = page.next;
    } while (cursor !== undefined);
    return toldBy(events);
  }

  async create(parts: Partial<ScheduleDefinition> = {}): Promise<void> {
    const put = schedulePut({
      definition: definition({ rule: rules[0] as Rule, ...parts }),
      expected: "absent",
      incarnation: token(),
    });
    await this.engine.schedules.put([put]);
    this.accounting.begin(await this.stored(), this.clock.now(), true);
  }

  /** Ends what the accounting expects of the rule that holds. */
  async close(before: Schedule): Promise<void> {
    const held = before.held?.operation === undefined ? before.held?.tick : undefined;
    this.accounting.end(this.clock.now(), hasReachedMax(before), await this.told(), held);
  }

  async put(parts: { readonly definition?: ScheduleDefinition; readonly enabled?: boolean }): Promise<void> {
    const before = await this.stored();
    const [answer] = await this.engine.schedules.put([schedulePut({ definition: before.definition, ...parts })]);
    if (answer?.outcome !== "updated") return;
    const { schedule } = answer;
    const times = ({ rule, startAt, endAt }: ScheduleDefinition) => JSON.stringify([rule, startAt, endAt]);
    const retimed = times(before.definition) !== times(schedule.definition);
    const sameEnd = hasReachedMax(before) === hasReachedMax(schedule);
    if (!retimed && sameEnd && before.enabled === schedule.enabled) return;
    await this.close(before);
    this.accounting.begin(schedule, this.clock.now(), false);
  }

  async happen(what: Happening): Promise<void> {
    switch (what.kind) {
      case "pass":
        this.clock.advance(what.ms);
        break;
      case "fire":
        await this.fire((due, now) =>
          decideFiring(
            due.map((one) => ({ ...one, ...(what.room !== undefined && { room: what.room }) })),
            now,
          ),
        );
        break;
      case "tick": {
        const { nextAt = this.clock.now() } = (await this.stored()).cursor;
        this.clock.advance(Math.max(0, nextAt - this.clock.now()));
        await this.fire(decideFiring);
        break;
      }
      case "change":
        await this.put({ definition: { ...(await this.stored()).definition, ...what.change } });
        break;
      case "switch":
        await this.put({ enabled: !(await this.stored()).enabled });
        break;
      case "trigger":
        await this.fire(decideTrigger(`op-${this.#operations++}`), true);
        break;
      case "backfill":
        await this.backfill();
        break;
      case "cancel": {
        const [job] = (await this.engine.jobs.list({ states: ["pending"] }, { limit: 1 })).items;
        if (job !== undefined) await this.engine.jobs.change([{ name: { id: job.id }, change: { kind: "cancel" } }]);
        break;
      }
      case "settle":
        for (const job of await claim(this.engine, { limit: 1, wants: [{ queue: "mail", limit: 1 }] })) {
          const settlement = { complete: completion, fail: failure, retry: retrying }[what.how](job);
          await this.engine.jobs.settle([settlement]);
        }
        break;
      case "remove": {
        await this.close(await this.stored());
        await this.engine.schedules.remove([ref]);
        await this.create({ overlap: "replace" });
        break;
      }
    }
  }

  /** Deals with all that has come, by firing it or by removing the schedule; answers the tick that is still held. */
  async conclude(removed: boolean): Promise<number | undefined> {
    const now = this.clock.now();
    let { enabled, cursor } = await this.stored();
    while (!removed && enabled && (cursor.nextAt ?? Number.POSITIVE_INFINITY) <= now) {
      await this.fire(decideFiring);
      ({ enabled, cursor } = await this.stored());
    }
    const last = await this.stored();
    await this.close(last);
    if (enabled && !removed) return last.held?.operation === undefined ? last.held?.tick : undefined;
    await this.engine.schedules.remove([ref]);
    return undefined;
  }

  async fire(decide: Decide, named = false): Promise<void> {
    await this.engine.schedules.fire({ limit: 10, decide, ...(named ? { only: [ref] } : {}) });
  }

  async backfill(): Promise<void> {
    const schedule = await this.stored();
    const ticks: number[] = [];
    for (
      let tick = nextTickOfRule(schedule, this.clock.now() - 2 * hourMs);
      tick !== undefined && tick <= this.clock.now();
    ) {
      ticks.push(tick);
      tick = nextTickOfRule(schedule, tick);
    }
    const {
      incarnation,
      definition: { overlap },
    } = schedule;
    await this.fire(decideBackfill({ operation: `op-${this.#operations++}`, incarnation, ticks, overlap }), true);
  }
}

const first: fc.Arbitrary<Partial<ScheduleDefinition>> = fc.record({
  rule: fc.constantFrom(...rules),
  overlap: fc.constantFrom("allow", "skip", "queue", "queue", "replace", "replace"),
  pauseOnFailure: fc.constantFrom(undefined, undefined, 1),
});

describe("accounting", () => {
  test("S4 each tick of the rule is told exactly once, whatever happens to the schedule", async () => {
    const scripts = fc.array(happenings, { minLength: 5, maxLength: 60, size: "max" });
    const lives = fc.asyncProperty(first, scripts, fc.boolean(), async (parts, script, removed) => {
      const life = new Life();
      life.clock.set(begin);
      await life.create(parts);
      for (const what of script) {
        await life.happen(what);
        const { cursor } = await life.stored();
        expect(cursor.after).toBeLessThanOrEqual(life.clock.now());
      }
      const held = await life.conclude(removed);
      life.accounting.check(await life.told(), held);
    });
    await fc.assert(lives, { numRuns: 500 });
  }, 120_000);
});
