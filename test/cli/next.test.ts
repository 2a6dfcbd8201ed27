// `punctual next`: ticks of a cron expression, without a store.
import { readdirSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { seedOf } from "../../src/core/tick.ts";
import { cron, nextTicks } from "../../src/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

const place = new Workplace();
afterAll(() => place[Symbol.asyncDispose]());

const paris = ["next", "30 2 * * *", "--tz", "Europe/Paris"];

describe("punctual next", () => {
  it("S10 prints ticks in the zone and in UTC, with a note where a gap moves one", async () => {
    const { code, stdout, stderr } = await place.run([...paris, "--after", "2026-03-28T00:00:00Z", "--count", "3"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^DAY {2}Europe\/Paris +UTC +NOTE$/);
    expect(lines[1]).toMatch(/^Sat {2}2026-03-28T02:30:00\+01:00 {2}2026-03-28T01:30:00Z \(.*\)$/);
    expect(lines[2]).toMatch(/^Sun {2}2026-03-29T03:00:00\+02:00 {2}2026-03-29T01:00:00Z .*moved: wall time 02:30/);
    expect(lines[3]).toMatch(/^Mon {2}2026-03-30T02:30:00\+02:00 {2}2026-03-30T00:30:00Z/);
    expect(lines).toHaveLength(4);
  });

  it("S10 prints JSON with a note where an overlap repeats one", async () => {
    const ticks = await place.json(...paris, "--after", "2026-10-25T00:00:00Z", "--count", "2");
    expect(ticks).toEqual([
      { tick: "2026-10-25T00:30:00.000Z", local: "2026-10-25T02:30:00+02:00", note: "first of two 02:30" },
      { tick: "2026-10-26T01:30:00.000Z", local: "2026-10-26T02:30:00+01:00" },
    ]);
  });

  it("prints five ticks after now in UTC by default", async () => {
    const ticks = await place.json<{ tick: string; local: string }[]>("next", "@hourly");
    expect(ticks).toHaveLength(5);
    expect(Date.parse(ticks[0]?.tick ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expect(ticks[0]?.local).toMatch(/:00:00\+00:00$/);
  });

  it("hashes H as the named schedule does", async () => {
    const after = "2026-01-01T00:00:00Z";
    const ticks = await place.json<{ tick: string }[]>(
      ...["next", "H H * * *", "--after", after, "--count", "1", "--schedule", "daily", "--tenant", "acme"],
    );
    const [expected] = nextTicks(cron("H H * * *"), { after, seed: seedOf("acme", "daily") });
    expect(ticks[0]?.tick).toBe(expected?.toISOString());
  });

  it("needs no store and makes none", async () => {
    const { code } = await place.run(["next", "@daily"], { env: { DATABASE_URL: "postgres://host/db" } });
    expect(code).toBe(0);
    expect(readdirSync(place.folder)).toEqual([]);
  });

  it.each([
    [["next", "61 * * * *"], "INVALID_CRON", "minute"],
    [["next", "@daily", "--tz", "Mars/Base"], "INVALID_TIME_ZONE", "--tz"],
    [["next", "@daily", "--count", "many"], "INVALID_INPUT", "--count"],
    [["next", "@daily", "--count", "0"], "INVALID_INPUT", "--count"],
    [["next", "@daily", "--after", "2026-02-30T00:00:00Z"], "INVALID_INPUT", "--after"],
    [["next", "@daily", "--after", "2026-02-03"], "INVALID_INPUT", "--after"],
    [["next"], "INVALID_INPUT", "EXPR"],
  ])("refuses %j with exit code 64", async (args, code, field) => {
    const ended = await place.run([...args, "--json"]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(ended)).toMatchObject({ code, field });
  });

  it("tells that an expression without quotes needs them", async () => {
    const ended = await place.run(["next", "0", "9", "*", "*", "1"]);
    expect(ended.code).toBe(64);
    expect(ended.stderr).toContain("Quote what contains spaces");
  });
});
