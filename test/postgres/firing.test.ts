// Firing on a PostgreSQL store: what another transaction holds keeps nobody else waiting, and a batch takes few statements.
import { Client, Pool } from "pg";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { decideFiring } from "../../src/core/firing.ts";
import type { Rule } from "../../src/core/rule.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import {
  completion,
  definition,
  minuteMs,
  newJob,
  schedulePut,
  tenant,
} from "../../src/testing/conformance/builders.ts";
import {
  claimJob,
  createSchedule,
  fire,
  listEvents,
  storedSchedule,
  trigger,
} from "../../src/testing/conformance/calls.ts";
import { type Harness, type OpenTx, start } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

let url: string;
const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  url = await sharedPostgres(15);
  return { url, directUrl: url };
});

let harness: Harness;

beforeEach(async () => {
  harness = await databases.open();
  return () => harness.close();
});

afterAll(() => databases.close());

async function begin(): Promise<OpenTx> {
  const tx = await harness.beginTx?.();
  if (tx === undefined) throw new Error("the harness begins transactions");
  return tx;
}

async function query(text: string, values: readonly unknown[] = []): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(text, [...values]);
  await client.end();
}

const idsOf = ({ fired }: Awaited<ReturnType<typeof fire>>) => fired.map(({ id }) => id).sort();

test("S2: a schedule that a caller's transaction holds stays due, and its neighbours fire meanwhile", async () => {
  const { engine, clock } = harness;
  for (const id of ["held", "free"]) await createSchedule(engine, {}, { id });
  clock.advance(minuteMs);
  const tx = await begin();
  await tx.joined.schedules.put([schedulePut({ id: "held", definition: definition({ input: "2" }) })]);
  const answer = await fire(engine);
  expect(idsOf(answer)).toEqual(["free"]);
  // Soon, and not at once: nothing is to be done about it before the transaction ends.
  expect(answer.nextDueAt).toBe(start + minuteMs + 250);
  expect(await fire(engine)).toEqual({ fired: [], nextDueAt: start + minuteMs + 250 });
  await tx.commit();
  expect(idsOf(await fire(engine))).toEqual(["held"]);
});

test("S5: a tick that would replace a job which a caller's transaction holds waits by itself", async () => {
  const { engine, clock } = harness;
  for (const id of ["held", "free"]) await createSchedule(engine, { overlap: "replace" }, { id });
  clock.advance(minuteMs);
  const first = await fire(engine);
  const job = first.fired.find(({ id }) => id === "held")?.ticks[0]?.job ?? "";
  clock.advance(minuteMs);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  await client.query("SELECT 1 FROM punctual.jobs WHERE id = $1 FOR UPDATE", [job]);
  const answer = await fire(engine);
  expect(idsOf(answer)).toEqual(["free"]);
  expect(answer.nextDueAt).toBe(clock.now() + 250);
  await client.query("COMMIT");
  await client.end();
  expect(idsOf(await fire(engine))).toEqual(["held"]);
  expect((await engine.jobs.get(job))?.endCause).toBe("replaced");
});

test("S8: a row that cannot be read is disabled and told, and its neighbours fire", async () => {
  const { engine, clock } = harness;
  for (const id of ["broken", "other", "sound"]) await createSchedule(engine, {}, { id });
  await query("UPDATE punctual.schedules SET schedule = 'nonsense' WHERE id = 'broken'");
  await query("UPDATE punctual.schedules SET revision = 99 WHERE id = 'other'");
  clock.advance(minuteMs);
  const answer = await fire(engine);
  expect(idsOf(answer)).toEqual(["sound"]);
  expect(answer.nextDueAt).toBe(start + 2 * minuteMs);
  const told = await listEvents(engine, { types: ["schedule:disabled"] });
  expect(told.map((event) => event.schedule).sort()).toEqual(["broken", "other"]);
  await expect(engine.schedules.get({ tenant, id: "broken" })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  await createSchedule(engine, {}, { id: "broken" });
  expect((await storedSchedule(engine, "broken")).enabled).toBe(true);
});

test("O3: a store that a newer version has changed is not fired from", async () => {
  const { engine, clock } = harness;
  await createSchedule(engine);
  await query("INSERT INTO punctual.migrations (id, name, breaking, applied_at) VALUES (999, 'newer', true, 0)");
  try {
    const refused = { code: "STORE_TOO_NEW" };
    await expect(fire(engine)).rejects.toMatchObject(refused);
    clock.advance(minuteMs);
    await expect(fire(engine)).rejects.toMatchObject(refused);
    const only = [{ tenant, id: "report" }];
    await expect(engine.schedules.fire({ limit: 1, decide: decideFiring, only })).rejects.toMatchObject(refused);
  } finally {
    await query("DELETE FROM punctual.migrations WHERE id = 999");
  }
});

interface Counting {
  readonly engine: Engine;
  /** Statements that were sent since this was asked last. */
  readonly count: () => number;
  /** Rows that came back since this was asked last. */
  readonly countRows: () => number;
  readonly close: () => Promise<void>;
}

/** An engine on a pool that counts what it sends and what comes back. */
async function counting(): Promise<Counting> {
  const pool = new Pool({ connectionString: url, max: 2 });
  let sent = 0;
  let rows = 0;
  pool.on("connect", (client) => {
    const { query } = client;
    client.query = ((...call: Parameters<typeof query>) => {
      sent++;
      const answer = query.apply(client, call) as unknown as Promise<{ readonly rowCount: number | null }> | undefined;
      answer?.then(
        (result) => {
          rows += result.rowCount ?? 0;
        },
        () => {},
      );
      return answer;
    }) as typeof query;
  });
  const engine = postgres(pool, { clock: harness.clock });
  await engine.open();
  return {
    engine,
    count: () => {
      const now = sent;
      sent = 0;
      return now;
    },
    countRows: () => {
      const now = rows;
      rows = 0;
      return now;
    },
    close: async () => {
      await engine.close();
      await pool.end();
    },
  };
}

const everyMinute: Rule = { kind: "every", everyMs: minuteMs, anchor: start };

test("S2: a batch of due schedules takes few statements, however many are due", async () => {
  const { engine, count, close } = await counting();
  const { clock } = harness;
  const guardrails = { maxPendingJobs: 10 };
  const putMany = async (from: number, to: number) => {
    const overlaps = ["allow", "skip", "queue", "replace"] as const;
    const puts = Array.from({ length: to - from }, (_, index) => {
      const overlap = overlaps[index % 4] ?? "skip";
      const own = { tenant: `t${index % 50}`, id: `s${from + index}` };
      return schedulePut({ ...own, definition: definition({ overlap, rule: everyMinute }) });
    });
    await engine.schedules.put(puts, guardrails);
  };
  const fireAll = async (minutes: number) => {
    const counts: number[] = [];
    for (let turn = 0; turn < minutes; turn++) {
      clock.advance(minuteMs);
      count();
      const { fired } = await engine.schedules.fire({ limit: 1_000, decide: decideFiring, guardrails });
      expect(fired.length).toBeGreaterThan(0);
      counts.push(count());
    }
    return Math.max(...counts);
  };
  try {
    // Some are of the trimming that follows now and then.
    for (const [from, to] of [
      [0, 20],
      [20, 500],
    ] as const) {
      await putMany(from, to);
      expect(await fireAll(3)).toBeLessThan(60);
    }
  } finally {
    await close();
  }
});

test("S5: the end of a job looks at few of its schedule's others, however many wait", async () => {
  const { engine, countRows, close } = await counting();
  const { clock } = harness;
  try {
    await createSchedule(engine, { overlap: "allow" });
    clock.advance(minuteMs);
    const id = (await fire(engine)).fired[0]?.ticks[0]?.job ?? "";
    const origin = (await engine.jobs.get(id))?.schedule;
    if (origin === undefined) throw new Error("a tick's job names its schedule");
    const jobs = Array.from({ length: 500 }, (_, index) => newJob({ schedule: { ...origin, tick: index } }));
    await engine.jobs.insert([{ jobs }]);
    const claimed = await claimJob(engine, { limit: 1 });
    countRows();
    expect((await engine.jobs.settle([completion(claimed)]))[0]?.outcome).toBe("settled");
    clock.advance(minuteMs);
    expect((await fire(engine)).fired.length).toBe(1);
    expect(countRows()).toBeLessThan(100);
    const [removed] = await engine.schedules.remove([{ tenant, id: "report", cancelPending: true }]);
    expect(removed).toBe("removed");
    expect((await engine.jobs.list({ states: ["cancelled"] }, { limit: 1_000 })).items.length).toBe(501);
  } finally {
    await close();
  }
});

test("J1: a trigger inside a transaction has fired once it commits, and not before", async () => {
  const { engine, clock } = harness;
  await createSchedule(engine);
  const undone = await begin();
  expect((await trigger(undone.joined, "op-1"))?.ticks.length).toBe(1);
  await undone.rollback();
  expect((await engine.jobs.list({}, { limit: 10 })).items).toEqual([]);
  const tx = await begin();
  const id = (await trigger(tx.joined, "op-1"))?.ticks[0]?.job ?? "";
  expect(await engine.jobs.get(id)).toBe(undefined);
  await tx.commit();
  expect((await engine.jobs.get(id))?.state).toBe("pending");
  clock.advance(minuteMs);
  expect(idsOf(await fire(engine))).toEqual(["report"]);
});

test("N2: a tenant's room is shared among what fires at one moment in several processes", async () => {
  const { engine, other, clock } = harness;
  const guardrails = { maxPendingJobs: 5 };
  const puts = Array.from({ length: 30 }, (_, index) => schedulePut({ id: `s${index}` }));
  await engine.schedules.put(puts);
  clock.advance(minuteMs);
  const fires = [engine, other, engine, other].map((one) =>
    one.schedules.fire({ limit: 10, decide: decideFiring, guardrails }),
  );
  const inserts = [engine, other].map((one) => one.jobs.insert([{ jobs: [newJob()], guardrails }]));
  await Promise.all([...fires, ...inserts]);
  for (;;) {
    const { nextDueAt } = await engine.schedules.fire({ limit: 10, decide: decideFiring, guardrails });
    if (nextDueAt === undefined || nextDueAt > clock.now()) break;
  }
  const { items } = await engine.jobs.list({ states: ["pending"] }, { limit: 100 });
  expect(items.length).toBe(5);
});
