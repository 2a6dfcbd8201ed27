// Holds src to the import directions of ARCHITECTURE.md, and plants a violation of each rule to prove that the checker bites.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checkImportDirections, type Rule } from "./import-directions.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly source: string }>>;
};
const entries = Object.fromEntries(
  Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === "string" ? [] : [[subpath, target.source.replace("./", "")]],
  ),
);

function readSources(): Map<string, string> {
  const found = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    found.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(root, path).split(sep).join("/"), readFileSync(path, "utf8")];
    }),
  );
}

/** A small tree that breaks no rule; each case below changes one file of it. */
const soundTree: Readonly<Record<string, string>> = {
  "src/index.ts": `export { job } from "./core/job.ts"; export type { Loop } from "./runtime/loop.ts";`,
  "src/connect.ts": `import type { Loop } from "./index.ts"; export const connect = () => import("./engines/sqlite/index.ts");`,
  "src/core/job.ts": `import type { StandardSchemaV1 } from "@standard-schema/spec"; export const job = 1;`,
  "src/core/lease.ts": `import { job } from "./job.ts"; export const lease = job + 1;`,
  "src/runtime/loop.ts": `import { job } from "../core/job.ts"; export interface Loop { job: typeof job }`,
  "src/runtime/worker.ts": `import type { Loop } from "./loop.ts"; export const worker = (loop: Loop) => loop;`,
  "src/world/lane.ts": `import { job } from "../core/job.ts"; export const lane = job;`,
  "src/engines/memory/index.ts": `import { lane } from "../../world/lane.ts"; export const memory = lane;`,
  "src/engines/sqlite/index.ts": `import { jobs } from "./jobs.ts"; export const sqlite = jobs;`,
  "src/engines/sqlite/jobs.ts": `import { DatabaseSync } from "node:sqlite"; export const jobs = DatabaseSync;`,
  "src/remote/within.ts": `import { job } from "../core/job.ts"; export const within = job;`,
  "src/engines/postgres/index.ts": `import pg from "pg"; import { within } from "../../remote/within.ts"; export const postgres = [pg, within];`,
  "src/http/handler.ts": `import { job } from "../core/job.ts"; import { worker } from "../runtime/worker.ts"; export const h = [job, worker];`,
  "src/cli/main.ts": `import { Command } from "commander"; import { connect } from "../connect.ts"; export const c = [Command, connect];`,
  "src/engines/nats/index.ts": `import { connect } from "@nats-io/transport-node"; import { lane } from "../../world/lane.ts"; export const nats = [connect, lane];`,
  "src/testing/index.ts": `import { memory } from "../engines/memory/index.ts"; export const testing = memory;`,
  "src/testing/virtual-clock.ts": `import { lane } from "../world/lane.ts"; export const clock = lane;`,
  "src/compat/bree.ts": `import { job } from "punctual"; import { sqlite } from "punctual/sqlite"; export const bree = [job, sqlite];`,
};

function check(changes: Readonly<Record<string, string>>) {
  return checkImportDirections(new Map(Object.entries({ ...soundTree, ...changes })), "punctual", {
    ".": "src/index.ts",
    "./sqlite": "src/engines/sqlite/index.ts",
    "./connect": "src/connect.ts",
  });
}

const core = "src/core/lease.ts";
const runtime = "src/runtime/worker.ts";
const sqlite = "src/engines/sqlite/jobs.ts";
const remote = "src/remote/within.ts";
const world = "src/world/lane.ts";
const planted: readonly (readonly [fact: string, file: string, text: string, rule: Rule])[] = [
  ["core importing remote", core, `import { within } from "../remote/within.ts";`, "direction"],
  ["runtime importing remote", runtime, `import { within } from "../remote/within.ts";`, "direction"],
  ["remote importing runtime", remote, `import { loop } from "../runtime/loop.ts";`, "direction"],
  ["remote importing an engine", remote, `import { jobs } from "../engines/sqlite/jobs.ts";`, "direction"],
  ["remote importing a driver", remote, `import pg from "pg";`, "package"],
  ["core importing the world", core, `import { lane } from "../world/lane.ts";`, "direction"],
  ["runtime importing the world", runtime, `import { lane } from "../world/lane.ts";`, "direction"],
  ["the index importing the world", "src/index.ts", `export { lane } from "./world/lane.ts";`, "direction"],
  ["the world importing runtime", world, `import { loop } from "../runtime/loop.ts";`, "direction"],
  ["the world importing remote", world, `import { within } from "../remote/within.ts";`, "direction"],
  ["the world importing an engine", world, `import { memory } from "../engines/memory/index.ts";`, "direction"],
  ["the world importing a node: module", world, `import { randomUUID } from "node:crypto";`, "package"],
  ["the world importing a driver", world, `import { connect } from "@nats-io/transport-node";`, "package"],
  ["a barrel in the world", "src/world/all.ts", `export * from "./lane.ts";`, "barrel"],
  ["remote importing the world", remote, `import { lane } from "../world/lane.ts";`, "direction"],
  ["core importing runtime", core, `import { loop } from "../runtime/loop.ts";`, "direction"],
  ["core importing a type from runtime", core, `import type { Loop } from "../runtime/loop.ts";`, "direction"],
  ["core naming a type by import()", core, `export type L = import("../runtime/loop.ts").Loop;`, "direction"],
  ["core re-exporting from runtime", core, `export const a = 1; export * from "../runtime/loop.ts";`, "direction"],
  ["core importing runtime dynamically", core, `export const l = () => import("../runtime/loop.ts");`, "direction"],
  ["core importing a template literal", core, "export const l = () => import(`../runtime/loop.ts`);", "direction"],
  ["core importing the package by its own name", core, `import { job } from "punctual";`, "direction"],
  ["core importing a node: module", core, `import { randomUUID } from "node:crypto";`, "package"],
  ["core importing a node module without node:", core, `import { randomUUID } from "crypto";`, "package"],
  ["core importing a type from node:", core, `import type { Readable } from "node:stream";`, "package"],
  ["core importing a package", core, `import { Cron } from "croner";`, "package"],
  ["core importing Standard Schema as a value", core, `import { s } from "@standard-schema/spec";`, "package"],
  ["core requiring a package", core, `export const c = require("croner");`, "package"],
  ["core using import = require", core, `import c = require("croner"); export { c };`, "package"],
  ["core getting a builtin at run time", core, `export const fs = process.getBuiltinModule("node:fs");`, "package"],
  ["core referencing types by a comment", core, `/// <reference types="node" />\nexport const a = 1;`, "package"],
  ["core importing a computed name", core, `export const l = (n: string) => import(n);`, "unresolved"],
  ["an import of a file that is not there", core, `import { x } from "./absent.ts";`, "unresolved"],
  ["an import from outside src", core, `import x from "../../package.json" with { type: "json" };`, "unresolved"],
  [
    "an import of a subpath that the package lacks",
    "src/compat/bree.ts",
    `import { x } from "punctual/x";`,
    "unresolved",
  ],
  ["an import by a private # name", core, `import { x } from "#x";`, "unresolved"],
  ["an engine importing another engine", sqlite, `import { memory } from "../memory/index.ts";`, "direction"],
  ["nats importing memory", "src/engines/nats/index.ts", `import { memory } from "../memory/index.ts";`, "direction"],
  ["nats importing a client of before", "src/engines/nats/index.ts", `import { connect } from "nats";`, "package"],
  ["an engine importing runtime", sqlite, `import { loop } from "../../runtime/loop.ts";`, "direction"],
  ["an engine importing the public index", sqlite, `import { job } from "../../index.ts";`, "direction"],
  ["an engine importing another's driver", sqlite, `import pg from "pg";`, "package"],
  ["runtime importing an engine", runtime, `import { memory } from "../engines/memory/index.ts";`, "direction"],
  [
    "runtime importing an engine lazily",
    runtime,
    `export const m = () => import("../engines/memory/index.ts");`,
    "direction",
  ],
  ["runtime importing http", runtime, `import { h } from "../http/handler.ts";`, "direction"],
  ["runtime importing a node: module", runtime, `import { setTimeout } from "node:timers/promises";`, "package"],
  ["runtime importing a package", runtime, `import pino from "pino";`, "package"],
  ["http importing an engine", "src/http/handler.ts", `import { m } from "../engines/memory/index.ts";`, "direction"],
  ["http importing connect", "src/http/handler.ts", `import { connect } from "../connect.ts";`, "direction"],
  ["cli importing an engine", "src/cli/main.ts", `import { s } from "../engines/sqlite/index.ts";`, "direction"],
  ["cli importing an unlisted package", "src/cli/main.ts", `import chalk from "chalk";`, "package"],
  ["testing importing sqlite", "src/testing/index.ts", `import { s } from "../engines/sqlite/index.ts";`, "direction"],
  ["testing importing a test runner", "src/testing/index.ts", `import { test } from "vitest";`, "package"],
  ["compat importing an internal file", "src/compat/bree.ts", `import { job } from "../core/job.ts";`, "direction"],
  ["compat imported by another file", "src/cli/main.ts", `import { bree } from "../compat/bree.ts";`, "direction"],
  ["compat imported by compat", "src/compat/agenda.ts", `import { bree } from "./bree.ts";`, "direction"],
  ["the index naming an engine", "src/index.ts", `export { memory } from "./engines/memory/index.ts";`, "direction"],
  [
    "connect importing an engine eagerly",
    "src/connect.ts",
    `import { s } from "./engines/sqlite/index.ts";`,
    "lazy-engine",
  ],
  [
    "connect importing an engine's type",
    "src/connect.ts",
    `import type { S } from "./engines/sqlite/index.ts";`,
    "lazy-engine",
  ],
  [
    "connect reaching into an engine",
    "src/connect.ts",
    `export const c = () => import("./engines/sqlite/jobs.ts");`,
    "lazy-engine",
  ],
  ["a barrel in core", "src/core/all.ts", `export { job } from "./job.ts"; export * from "./lease.ts";`, "barrel"],
  ["a barrel in runtime", "src/runtime/all.ts", `import { worker } from "./worker.ts"; export { worker };`, "barrel"],
  ["a cycle in core", "src/core/job.ts", `import { lease } from "./lease.ts"; export const job = lease;`, "cycle"],
  [
    "a cycle of types",
    "src/runtime/loop.ts",
    `import type { worker } from "./worker.ts"; export type L = typeof worker;`,
    "cycle",
  ],
  [
    "a file that imports itself",
    "src/core/job.ts",
    `import { job as j } from "./job.ts"; export const job = j;`,
    "cycle",
  ],
  ["a file that does not parse", core, `export const = ;`, "syntax"],
  ["a folder without rules", "src/helpers/list.ts", `export const list = [];`, "layer"],
  ["a stray file beside index.ts", "src/list.ts", `export const list = [];`, "layer"],
];

describe("the checker", () => {
  test("finds nothing wrong in a sound tree", () => {
    expect(check({})).toEqual({ modules: Object.keys(soundTree).length, violations: [] });
  });

  test.each(planted)("catches %s", (_fact, file, text, rule) => {
    const caught = check({ [file]: text }).violations.filter((violation) => violation.rule === rule);
    expect(caught.length).toBeGreaterThan(0);
    if (rule !== "cycle") expect(caught[0]?.file).toBe(file);
  });

  test("names the line of an import", () => {
    const { violations } = check({ [core]: `export const a = 1;\nimport "croner";\n` });
    expect(violations).toEqual([expect.objectContaining({ file: core, line: 2, rule: "package" })]);
  });

  test("sees no module in an empty tree", () => {
    expect(checkImportDirections(new Map(), "punctual", {}).modules).toBe(0);
  });
});

test("src keeps to the import directions", () => {
  const { modules, violations } = checkImportDirections(readSources(), manifest.name, entries);
  expect(modules).toBeGreaterThan(0);
  expect(violations.map(({ file, line, rule, message }) => `${file}:${line} ${rule}: ${message}`)).toEqual([]);
});
