// The benchmark runner on tiny sizes: its counts, its lines and its table. Nothing here says how fast anything is.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderTable } from "../../bench/report/table.ts";
import { verdictsOf } from "../../bench/report/verdicts.ts";
import { findSubjects, findWorkloads } from "../../bench/runner/discover.ts";
import { type Result, resultOf } from "../../bench/runner/result.ts";
import { isAble, type Workload } from "../../bench/runner/workload.ts";

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly results: readonly Result[];
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "punctual-bench-test-"));
const subjects = await findSubjects();
const workloads = await findWorkloads();
const running = new Set<ReturnType<typeof spawn>>();
let runs = 0;

function bench(...args: readonly string[]): Promise<Run> {
  const json = join(folder, `results-${runs++}.jsonl`);
  const all = [
    "bench/main.ts",
    "--peers",
    "none",
    "--repeat",
    "1",
    "--scale",
    "0.001",
    "--quiet",
    "--json",
    json,
    ...args,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--conditions=source", ...all], {
      cwd: root,
      stdio: ["ignore", "pipe", "ignore"],
      // The sources are stripped of their types once, not once per process.
      env: { ...process.env, NODE_COMPILE_CACHE: join(root, ".reports/compile-cache") },
    });
    running.add(child);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      running.delete(child);
      const lines = (existsSync(json) ? readFileSync(json, "utf8") : "").split("\n").filter(Boolean);
      resolve({ code, stdout, results: lines.map((line) => JSON.parse(line) as Result) });
    });
  });
}

/** Plays so many workloads on every engine at once; answers by name of the engine. */
async function playOnAll(names: readonly string[]): Promise<ReadonlyMap<string, Run>> {
  const runs = engines.map(
    async ({ name }) => [name, await bench("--engines", name, "--workloads", names.join(","))] as const,
  );
  return new Map(await Promise.all(runs));
}

afterAll(() => {
  for (const child of running) child.kill();
  rmSync(folder, { recursive: true, force: true });
});

const engines = subjects.filter(({ kind }) => kind === "engine").map(({ subject }) => subject);

describe("the benchmark runner", () => {
  const played = new Map<string, Run>();

  beforeAll(async () => {
    // Those that mostly wait for the clock have the machine to themselves. What is compiled is so once for an engine.
    const isWait = ({ unit, compiled }: Workload) => unit === "ms" && compiled !== true;
    const waits = await playOnAll(workloads.filter(isWait).map(({ name }) => name));
    const works = await playOnAll(workloads.filter((workload) => !isWait(workload)).map(({ name }) => name));
    for (const [name, wait] of waits) {
      const work = works.get(name) ?? expect.fail();
      played.set(name, {
        code: (wait.code ?? 1) || (work.code ?? 1),
        stdout: `${wait.stdout}${work.stdout}`,
        results: [...wait.results, ...work.results],
      });
    }
    // Those on a server make and drop databases by the dozen.
  }, 600_000);

  it.each(engines)("counts exactly in every workload that $name can do", (subject) => {
    const { name } = subject;
    const { code, results } = played.get(name) ?? { code: null, results: [] };
    const able = workloads.filter((workload) => isAble(subject, workload));
    expect(results.flatMap(({ workload, problems }) => problems.map((problem) => `${workload}: ${problem}`))).toEqual(
      [],
    );
    expect(new Set(results.map(({ workload }) => workload))).toEqual(new Set(able.map(({ name }) => name)));
    expect(results).toHaveLength(able.length);
    expect(code).toBe(0);
  });

  it.each(engines)("writes a line with every field for each result of $name", ({ name }) => {
    for (const result of played.get(name)?.results ?? []) {
      expect(result).toEqual({
        workload: expect.any(String),
        subject: name,
        config: "default",
        unit: expect.any(String),
        value: expect.any(Number),
        p50: result.unit === "ms" ? expect.any(Number) : null,
        p99: result.unit === "ms" ? expect.any(Number) : null,
        cpuUsPerJob: result.cpuUsPerJob === null ? null : expect.any(Number),
        storeCpuUsPerJob: result.storeCpuUsPerJob === null ? null : expect.any(Number),
        count: expect.any(Number),
        ok: true,
        problems: [],
        figures: expect.any(Object),
        values: [expect.any(Number)],
        scale: 0.001,
        node: process.version,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      });
      expect(result.count).toBeGreaterThan(0);
    }
  });

  it.each([
    {
      server: "postgres",
      drained: ["W4", "growth", "growth-snapshot"],
      told: ["walBytesPerJob", "deadTuplesPerJob", "deadTuplesLeftPerJob"],
      headings: "WAL bytes +dead tuples made",
    },
    {
      server: "redis",
      drained: ["W4", "growth"],
      told: ["commandsPerJob", "memoryBytesPerJob"],
      headings: "commands +bytes while it waits",
    },
    {
      server: "nats",
      drained: ["W4", "growth"],
      told: ["messagesPerJob", "storedBytesPerJob", "memoryBytesPerJob"],
      headings: "messages +on files while it waits +bytes while it waits",
    },
  ])("tells what a job costs on $server", ({ server, drained, told, headings }) => {
    for (const { name } of engines.filter((one) => one.server === server)) {
      const { results = [], stdout = "" } = played.get(name) ?? {};
      const drains = results.filter(({ workload }) => workload === "W4" || workload.startsWith("growth"));
      expect(drains.map(({ workload }) => workload)).toEqual(drained);
      for (const { figures, storeCpuUsPerJob } of drains) {
        expect(storeCpuUsPerJob).toBeGreaterThanOrEqual(0);
        expect(Object.keys(figures)).toEqual(told);
        expect(figures[told[0] ?? ""]).toBeGreaterThan(0);
      }
      expect(stdout).toMatch(new RegExp(`client CPU us +server CPU us +${headings}`));
    }
  });

  it.each(engines)("names every workload in the table of $name, with - for what it cannot do", ({ name }) => {
    const table = played.get(name)?.stdout ?? "";
    for (const workload of workloads) {
      expect(table).toMatch(new RegExp(`^${workload.name} +\\S`, "m"));
      expect(table).toContain(`${workload.name}: ${workload.title}`);
    }
  });

  it.each([
    { peer: "jetstream", names: ["W2", "W3", "W4", "W6", "W7a", "W9"] },
    { peer: "jetstream-nak", names: ["W7a", "W7c"] },
  ])(
    "counts exactly what the peer $peer does, as it comes and at its best",
    {
      timeout: 300_000,
    },
    async ({ peer, names }) => {
      const { code, results } = await bench("--engines", "none", "--peers", peer, "--workloads", names.join(","));
      expect(results.flatMap(({ workload, problems }) => problems.map((problem) => `${workload}: ${problem}`))).toEqual(
        [],
      );
      expect(results.map(({ workload, config }) => `${workload} ${config}`)).toEqual(
        names.flatMap((name) => [`${name} default`, `${name} best`]),
      );
      expect(code).toBe(0);
    },
  );

  it.each(["lost", "doubled"])("fails when a job was %s", { timeout: 60_000 }, async (plant) => {
    const { code, stdout, results } = await bench("--engines", "memory", "--workloads", "W4", "--plant", plant);
    expect(code).toBe(1);
    expect(results).toMatchObject([{ workload: "W4", ok: false }]);
    expect(results[0]?.problems.join("\n")).toMatch(plant === "lost" ? /1 of 20 jobs never ran/ : /ran more than once/);
    expect(stdout).toContain("FAILED");
  });

  it.each([
    ["a name that nothing has", ["--engines", "abacus"]],
    ["a number that is none", ["--scale", "0"]],
    ["an option that there is not", ["--scales", "1"]],
    ["a moment that Redis does not know", ["--redis-fsync", "seldom"]],
    ["a moment that NATS does not know", ["--nats-sync", "seldom"]],
  ])("refuses %s with exit code 2", async (_what, args) => {
    expect(await bench(...args)).toEqual({ code: 2, stdout: "", results: [] });
  });
});

describe("the report", () => {
  const found = subjects.filter(({ subject }) => subject.name === "sqlite" || subject.name === "plainjob");
  const drained = (subject: string, value: number, workload = "W4") =>
    resultOf(
      { workload, subject, config: "default", unit: "jobs/s", scale: 1 },
      [{ value, count: 1, problems: [] }],
      [],
    );
  const ours = found.find(({ subject }) => subject.name === "sqlite");
  const verdicts = (results: readonly Result[]) =>
    ours === undefined ? [] : results.flatMap((result) => verdictsOf(result, ours, results));

  it("tells a floor that is missed from a goal that is", () => {
    expect(verdicts([drained("sqlite", 70_000)])).toMatchObject([
      { kind: "goal", reached: false },
      { kind: "floor", reached: true },
    ]);
    expect(verdicts([drained("sqlite", 50_000)])).toMatchObject([
      { kind: "goal", reached: false },
      { kind: "floor", reached: false },
    ]);
  });

  it("holds a share of its own drain against the same run, or says that there is none", () => {
    const larger = drained("sqlite", 80_000, "W4-100k");
    expect(verdictsOf(larger, ours ?? expect.fail(), [larger, drained("sqlite", 100_000)])).toMatchObject([
      { reached: false },
    ]);
    expect(verdictsOf(larger, ours ?? expect.fail(), [larger])).toMatchObject([{ reached: undefined }]);
  });

  describe("a goal that is a share of a peer's figure", () => {
    const goal = { atLeast: 1.3, timesPeer: { name: "plainjob" } };
    const judge = (...peers: readonly Result[]) => {
      const { subject, ...rest } = ours ?? expect.fail();
      const found = { ...rest, subject: { ...subject, targets: { W4: { goals: [goal] } } } };
      const result = drained("sqlite", 20_000);
      return verdictsOf(result, found, [...peers, result]);
    };

    it("is held against whichever setting of the peer did better", () => {
      const slow = drained("plainjob", 10_000);
      expect(judge(slow)).toMatchObject([{ asked: ">= 1.3x plainjob", reached: true }]);
      expect(judge(slow, { ...slow, config: "best", value: 16_000 })).toMatchObject([{ reached: false }]);
    });

    it("is not compared with a peer that was not measured, or whose counts failed", () => {
      expect(judge()).toMatchObject([{ reached: undefined }]);
      expect(judge({ ...drained("plainjob", 10_000), ok: false })).toMatchObject([{ reached: undefined }]);
    });
  });

  it("judges no goal and no floor by fewer jobs than they are meant for", () => {
    const results = [{ ...drained("sqlite", 10), scale: 0.01 }];
    const judged = verdicts(results);
    expect(judged).toMatchObject([
      { kind: "goal", reached: undefined },
      { kind: "floor", reached: undefined },
    ]);
    const w4 = workloads.filter(({ name }) => name === "W4");
    expect(renderTable(w4, found, results, judged)).toMatch(/floor +>= .* not judged at scale 0\.01$/m);
  });

  it("shows ours as a multiple of the best peer", () => {
    const results = [drained("sqlite", 60_000), drained("plainjob", 15_000)];
    const w4 = workloads.filter(({ name }) => name === "W4");
    expect(renderTable(w4, found, results, verdicts(results))).toMatch(/^W4 +60\.0k \(4\.0x\) +15\.0k/m);
  });
});
