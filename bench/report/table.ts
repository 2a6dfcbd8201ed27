// The table at the end: workloads by subjects, ours with the ratio to the best peer, goals and floors.
import type { Found } from "../runner/discover.ts";
import { figureOf, type Result } from "../runner/result.ts";
import type { Workload } from "../runner/workload.ts";
import type { Verdict } from "./verdicts.ts";

/** Renders the results of a run. */
export function renderTable(
  workloads: readonly Workload[],
  found: readonly Found[],
  results: readonly Result[],
  verdicts: readonly Verdict[],
): string {
  const columns = found.flatMap((one) => one.subject.configs.map((config) => ({ ...one, config })));
  const head = ["workload", ...columns.map(({ subject, config }) => nameOf(subject.name, config)), "unit"];
  const rows = workloads.map((workload) => [
    workload.name,
    ...columns.map(({ subject, config, kind }) => {
      const result = results.find((one) => isCell(one, workload.name, subject.name, config));
      if (result === undefined) return "-";
      const ratio = kind === "engine" ? ratioToBestPeer(result, workload, found, results) : undefined;
      return `${shown(result)}${result.ok ? "" : " FAILED"}${ratio === undefined ? "" : ` (${ratio.toFixed(1)}x)`}`;
    }),
    workload.valueIs === undefined ? workload.unit : `${workload.unit} ${workload.valueIs}`,
  ]);
  const titles = workloads.map((workload) => `${workload.name}: ${workload.title}`);
  return [
    aligned([head, ...rows]),
    "",
    "In brackets: how many times better than the best peer of the same kind (durable or in memory), or of any kind.",
    ...titles.map((title) => `  ${title}`),
    ...(verdicts.length === 0
      ? []
      : ["", "Goals and floors, ours at default settings:", ...renderVerdicts(verdicts, results)]),
    ...details(results),
  ].join("\n");
}

function isCell(result: Result, workload: string, subject: string, config: string): boolean {
  return result.workload === workload && result.subject === subject && result.config === config;
}

function nameOf(subject: string, config: string): string {
  return config === "default" ? subject : `${subject} ${config}`;
}

/** More than 1 is better for us. Peers that failed their counts compare with nobody. */
function ratioToBestPeer(
  result: Result,
  workload: Workload,
  found: readonly Found[],
  results: readonly Result[],
): number | undefined {
  const durable = found.find(({ subject }) => subject.name === result.subject)?.subject.durable;
  const peers = results.filter(({ workload: name, ok, subject, value }) => {
    const peer = found.find((one) => one.subject.name === subject);
    return name === workload.name && ok && value !== null && peer?.kind === "peer";
  });
  const alike = peers.filter(
    (one) => found.find(({ subject }) => subject.name === one.subject)?.subject.durable === durable,
  );
  const values = (alike.length > 0 ? alike : peers).map(({ value }) => value ?? Number.NaN);
  if (values.length === 0 || result.value === null) return undefined;
  return workload.better === "more" ? result.value / Math.max(...values) : Math.min(...values) / result.value;
}

function shown({ value, unit }: Result): string {
  if (value === null) return "none";
  if (unit === "ms" || unit === "MB" || unit === "bytes")
    return value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0);
  if (value < 10) return value.toFixed(2);
  return value >= 10_000 ? `${(value / 1_000).toFixed(1)}k` : value.toFixed(0);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || column === row.length - 1
            ? cell.padEnd(widths[column] ?? 0)
            : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function renderVerdicts(verdicts: readonly Verdict[], results: readonly Result[]): string[] {
  const rows = verdicts.map(({ workload, subject, kind, asked, reached, scale }) => {
    const result = results.find((one) => one.workload === workload && one.subject === subject);
    const unjudged = scale === undefined ? "not compared" : `not judged at scale ${scale}`;
    const word = reached === undefined ? unjudged : reached ? "reached" : "MISSED";
    const of = /^(p50|p99|[a-z]+(?:Ms|Mb))\b/.exec(asked)?.[1];
    const figure = result === undefined ? undefined : figureOf(result, of);
    return [
      `  ${workload}`,
      subject,
      kind,
      asked,
      figure === undefined ? "" : `is ${figure.toLocaleString("en")}`,
      word,
    ];
  });
  return aligned(rows).split("\n");
}

/** Figures of the server, shown in a table of their own: by name and heading. */
const storeFigures = {
  walBytesPerJob: "WAL bytes",
  deadTuplesPerJob: "dead tuples made",
  deadTuplesLeftPerJob: "left by vacuum",
  commandsPerJob: "commands",
  messagesPerJob: "messages",
  storedBytesPerJob: "on files while it waits",
  memoryBytesPerJob: "bytes while it waits",
} as const;

/** What a job costs who runs it: CPU of our processes and of the server, and what the server writes and leaves. */
function costs(results: readonly Result[]): string[] {
  const measured = results.filter(({ cpuUsPerJob }) => cpuUsPerJob !== null);
  if (measured.length === 0) return [];
  // Only what some server of the run tells.
  const columns = Object.entries(storeFigures).filter(([name]) =>
    measured.some(({ figures }) => Object.hasOwn(figures, name)),
  );
  const head = ["  workload", "", "client CPU us", "server CPU us", ...columns.map(([, heading]) => heading)];
  const rows = measured.map(({ workload, subject, config, cpuUsPerJob, storeCpuUsPerJob, figures }) => [
    `  ${workload}`,
    nameOf(subject, config),
    `${cpuUsPerJob}`,
    storeCpuUsPerJob === null ? "-" : `${storeCpuUsPerJob}`,
    ...columns.map(([name]) => figures[name]?.toLocaleString("en") ?? "-"),
  ]);
  return ["", "What a job costs (an embedded store's CPU is the client's):", ...aligned([head, ...rows]).split("\n")];
}

function details(results: readonly Result[]): string[] {
  const figures = results
    .map((result) => ({
      ...result,
      others: Object.entries(result.figures).filter(([name]) => !Object.hasOwn(storeFigures, name)),
    }))
    .filter(({ others }) => others.length > 0)
    .map(({ workload, subject, config, others }) => [
      `  ${workload}`,
      nameOf(subject, config),
      others.map(([name, value]) => `${name} ${value.toLocaleString("en")}`).join(", "),
    ]);
  const problems = results.flatMap(({ workload, subject, config, problems }) =>
    problems.map((problem) => `  ${workload} ${nameOf(subject, config)}: ${problem}`),
  );
  return [
    ...costs(results),
    ...(figures.length === 0 ? [] : ["", "Further figures:", ...aligned(figures).split("\n")]),
    ...(problems.length === 0 ? [] : ["", "FAILED counts:", ...problems]),
  ];
}
