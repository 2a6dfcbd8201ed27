// Listings of schedules on Redis beyond the suite: many tenants, rare matches, and texts that a foreign hand has left.
import { expect, test } from "vitest";
import type { ScheduleFilter } from "../../src/core/engine.ts";
import { definition, minuteMs, schedulePut, tenant } from "../../src/testing/conformance/builders.ts";
import { createSchedule } from "../../src/testing/conformance/calls.ts";
import { type Opened, openDeployment } from "./opened.ts";

/** All that pass a filter, by pages. */
async function listed({ other }: Opened, filter: ScheduleFilter, limit: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await other.schedules.list(filter, { limit, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items.map((schedule) => `${schedule.tenant} ${schedule.id}`));
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}

function put(owner: string, id: string, task = "send", enabled = true) {
  return schedulePut({ tenant: owner, id, enabled, definition: definition({ task }) });
}

test("N1: schedules of many tenants are found by the beginning of their ids, and by what they are, in any pages", async () => {
  const opened = await openDeployment();
  const owners = Array.from({ length: 250 }, (_, index) => `t${String(index).padStart(3, "0")}`);
  for (const owner of owners) {
    await opened.engine.schedules.put([
      ...[put(owner, "a"), put(owner, "in:1"), put(owner, "in:2", "rare"), put(owner, "z")],
    ]);
  }
  await opened.engine.schedules.put([put("t100", "in:0", "rare", false), put("t100-x", "in:1"), put("t1", "in")]);
  const ofAll = (...ids: string[]) => owners.flatMap((owner) => ids.map((id) => `${owner} ${id}`));
  const begun = [...ofAll("in:1", "in:2"), "t100 in:0", "t100-x in:1"].sort();
  const rare = [...ofAll("in:2"), "t100 in:0"].sort();
  for (const limit of [1, 30, 1_000]) {
    expect(await listed(opened, { idPrefix: "in:" }, limit)).toEqual(begun);
    expect(await listed(opened, { tenant: "t100", idPrefix: "in" }, limit)).toEqual(
      ["in:0", "in:1", "in:2"].map((id) => `t100 ${id}`),
    );
  }
  for (const limit of [100, 1_000]) {
    expect(await listed(opened, { task: "rare" }, limit)).toEqual(rare);
    expect(await listed(opened, { task: "rare", idPrefix: "in:" }, limit)).toEqual(rare);
    expect(await listed(opened, { task: "rare", enabled: false }, limit)).toEqual(["t100 in:0"]);
    expect(await listed(opened, { task: "rare", queue: "none" }, limit)).toEqual([]);
  }
  expect(await listed(opened, {}, 400)).toHaveLength(1_003);
});

test("S8: a schedule that cannot be read stops no listing, and says so when it is asked for", async () => {
  const opened = await openDeployment();
  const { engine, server, key, clock } = opened;
  for (const id of ["a", "b", "c"]) await createSchedule(engine, {}, { id });
  const whole = (await server.hget(key("schedules"), `${tenant}\nb`)) ?? "";
  clock.advance(10 * minuteMs);
  for (const text of ["nonsense", "7|nonsense", "7|{}", whole.replace('"id":"b"', '"id":"c"')]) {
    await server.hset(key("schedules"), `${tenant}\nb`, text);
    for (const limit of [1, 10]) expect(await listed(opened, {}, limit)).toEqual([`${tenant} a`, `${tenant} c`]);
    const due = await engine.inspection.schedules("due", 10);
    expect(due.map(({ id }) => id)).toEqual(["a", "c"]);
    await expect(engine.schedules.get({ tenant, id: "b" })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  }
  await server.zadd(key("scheduleNames"), 0, "no newline", 0, `${tenant}\nnothing`);
  expect(await listed(opened, { idPrefix: "a" }, 1)).toEqual([`${tenant} a`]);
});

test("S8: a schedule whose text a foreign hand has set out anew passes the filters as before", async () => {
  const opened = await openDeployment();
  const { engine, server, key } = opened;
  await createSchedule(engine, { task: "one" }, { id: "a" });
  const text = (await server.hget(key("schedules"), `${tenant}\na`)) ?? "";
  const json = JSON.stringify(JSON.parse(text.slice(text.indexOf("|") + 1)), undefined, 2);
  await server.hset(key("schedules"), `${tenant}\na`, `${text.slice(0, text.indexOf("|"))}|${json}`);
  expect(await listed(opened, { task: "one", enabled: true }, 10)).toEqual([`${tenant} a`]);
  expect(await listed(opened, { task: "two" }, 10)).toEqual([]);
  expect(await listed(opened, { enabled: false }, 10)).toEqual([]);
});
