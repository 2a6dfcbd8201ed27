// Limits that several real processes run against on one file; scripts/proof/limit-race.ts is the long form.
import { expect, test } from "vitest";
import { raceForLimit, workLimits, workWithinLimits } from "../../scripts/proof/limit-race-stage.ts";

const race = { processes: 8, calls: 25, limit: 20 };
const refused = race.processes * race.calls - race.limit;

test("C4 N2 8 processes that each create 25 schedules against a limit of 20 get exactly 20", async () => {
  const outcome = await raceForLimit("create", race);
  expect(outcome).toEqual({ accepted: race.limit, refused, errors: [], stored: race.limit });
}, 60_000);

test("C4 N2 8 processes that each enqueue 25 jobs against a limit of 20 get exactly 20", async () => {
  const outcome = await raceForLimit("enqueue", race);
  expect(outcome).toEqual({ accepted: race.limit, refused, errors: [], stored: race.limit });
}, 60_000);

test("J12 workers in several processes together keep to a queue's and a tenant's concurrency and rate", async () => {
  const { queue, serialTenant, slowTenant } = workLimits;
  const outcome = await workWithinLimits(3, 15);
  expect(outcome.errors).toEqual([]);
  expect(outcome.completed).toBe(outcome.jobs);
  expect(outcome.processes).toBeGreaterThan(1);
  expect(outcome.queueAtOnce).toBeLessThanOrEqual(queue.concurrency);
  expect(outcome.queuePerPeriod).toBeLessThanOrEqual(queue.count);
  expect(outcome.serialAtOnce).toBeLessThanOrEqual(serialTenant.concurrency);
  expect(outcome.slowPerPeriod).toBeLessThanOrEqual(slowTenant.count);
}, 60_000);
